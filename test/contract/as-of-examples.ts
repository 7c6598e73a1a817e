// Worked examples of features in time, whose results public projects' tests and documentation give: as statements that every engine reads.

export interface AsOfExample {
  name: string
  /** Of key and event_timestamp. */
  spine: readonly (readonly [key: number | null, time: string | null])[]
  /** Of key, event time, created time and value. */
  rows: readonly (readonly [
    key: number | null,
    time: string | null,
    created: string | null,
    value: number | null,
  ])[]
  eventTtlSeconds?: number
  knownAsOf?: boolean
  expected: readonly (number | null)[]
}

const day = (number: number) => `2024-01-0${number} 00:00:00`
const noon = (number: number) => `2024-05-0${number} 12:00:00`

const known = {
  spine: [
    [1001, day(2)],
    [1002, day(2)],
  ],
  rows: [
    [1001, day(1), day(1), 10],
    [1001, day(1), day(3), 20],
    [1002, day(1), day(1), 30],
    [1002, day(1), day(3), 40],
  ],
} as const

const late = {
  rows: [
    [1, '2022-01-01 00:00:00', null, 6],
    [1, '2022-03-01 00:00:00', null, 8],
    [1, '2022-02-01 00:00:00', null, 7],
  ],
} as const

export const asOfExamples: readonly AsOfExample[] = [
  {
    name: 'A: an event ttl bounds the age, and of equal times the last created counts',
    eventTtlSeconds: 10 * 86_400,
    spine: [
      [1, day(1)],
      [1, day(2)],
      [2, day(1)],
      [3, day(3)],
    ],
    rows: [
      [1, '2023-12-31 00:00:00', '2023-12-31 00:00:00', 11],
      [1, day(2), day(2), 22],
      [1, day(3), day(3), 33],
      [2, '2023-01-03 00:00:00', '2023-01-03 00:00:00', 22],
      [3, day(1), day(3), 10],
      [3, day(1), day(2), 20],
    ],
    expected: [11, 22, null, 10],
  },
  {
    name: 'B: the time of the event counts before that of its creation',
    spine: [
      [1001, day(3)],
      [1002, day(3)],
    ],
    rows: [
      [1001, day(1), day(1), 10],
      [1001, day(1), day(2), 20],
      [1002, day(1), day(2), 30],
      [1002, day(2), day(1), 40],
    ],
    expected: [20, 40],
  },
  { name: 'C: corrections that came later are seen', ...known, expected: [20, 40] },
  { name: 'C: with knownAsOf they are not', ...known, knownAsOf: true, expected: [10, 30] },
  {
    name: 'C: with knownAsOf of rows that are all created later none is seen',
    spine: [[1, day(2)]],
    rows: [[1, day(1), day(3), 10]],
    knownAsOf: true,
    expected: [null],
  },
  {
    name: 'E: several users within seven days',
    eventTtlSeconds: 7 * 86_400,
    spine: [
      [1, noon(1)],
      [2, noon(1)],
      [3, noon(2)],
      [1, noon(3)],
      [3, noon(3)],
    ],
    rows: [
      [1, noon(1), null, 50],
      [1, noon(2), null, 40],
      [1, noon(3), null, 30],
      [2, noon(1), null, 30],
      [2, noon(2), null, 20],
      [2, noon(3), null, 20],
      [3, noon(1), null, 10],
      [3, noon(2), null, 10],
      [3, noon(3), null, 15],
    ],
    expected: [50, 30, 10, 30, 15],
  },
  {
    name: 'F: of rows that are all of the future none is seen',
    spine: [[1, day(1)]],
    rows: [[1, day(2), null, 1]],
    expected: [null],
  },
  {
    name: 'G: a row that was written late counts at its own time',
    ...late,
    spine: [
      [1, '2022-02-01 00:00:00'],
      [1, '2022-03-02 00:00:00'],
      [1, '2022-01-02 00:00:00'],
    ],
    expected: [7, 8, 6],
  },
  {
    name: 'a whole row is taken, and its nulls with it',
    spine: [[1, day(3)]],
    rows: [
      [1, day(1), null, 5],
      [1, day(2), null, null],
    ],
    expected: [null],
  },
]

const cell = (value: number | string | null, type: string) =>
  typeof value === 'string' ? `${type} '${value}'` : `CAST(${value} AS ${type})`

function valuesOf(rows: readonly (readonly (number | string | null)[])[], names: readonly string[]): string {
  const types = ['INTEGER', 'TIMESTAMP', 'TIMESTAMP', 'INTEGER']
  const lines = rows.map((row) => `(${row.map((each, i) => cell(each, types[i] ?? '')).join(', ')})`)
  return `SELECT * FROM (VALUES ${lines.join(', ')}) t(${names.join(', ')})`
}

/** Statements of its spine and of its rows. */
export function statementsOf({ spine, rows }: AsOfExample): { spine: string; rows: string } {
  return {
    spine: valuesOf(spine, ['entity', 'event_timestamp']),
    rows: valuesOf(rows, ['entity', 'happened', 'created', 'amount']),
  }
}
