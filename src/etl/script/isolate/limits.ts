// What an ETL's result may hold at most: held inside its isolate, so that what leaves it is quickly read.

export const limits = {
  columns: 10_000,
  /** Of an integer. */
  digits: 100,
  /** Of lists and objects in each other. */
  depth: 64,
  /** The same, of what an ETL is given. */
  inputDepth: 500,
  /** In one cell: the values in its lists and objects. */
  values: 100_000,
  /** Of all objects that are told as STRUCTs; what comes behind is JSON. */
  fields: 10_000,
  /** Of all rows of one group, as JSON. */
  characters: 64_000_000,
  /** Of as many rows as are told in one piece: no more is read in one go, unless a single row has more. */
  pieceCharacters: 500_000,
  /** Of what is said by console: lines, of each, and of all together. */
  saidLines: 1_000,
  saidLineCharacters: 8_000,
  saidCharacters: 64_000,
} as const
