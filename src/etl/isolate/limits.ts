// What an ETL's result may hold at most: held inside its isolate, so that what leaves it is quickly read.

export const limits = {
  columns: 10_000,
  /** Of an integer. */
  digits: 1_000,
  /** Of lists and objects in each other. */
  depth: 64,
  /** In one cell: the values in its lists and objects. */
  values: 500_000,
  /** Of an object that is told as a STRUCT; one with more is JSON. */
  fields: 1_000,
  /** Of all rows of one group, as JSON. */
  characters: 64_000_000,
} as const
