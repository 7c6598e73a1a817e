// What a statement on Trino promises of its result, by the engine's plan of it, and that training and lookups keep it.

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ofOneKey } from '../../src/features/promised.ts'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import { compareRows } from '../../src/realtime/parity/row-comparison.ts'
import { overall, type Promised } from '../../src/sql/determinism.ts'
import type { Column, Row } from '../../src/values/columns.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createTrinoFolder, execute, trinoUrl } from './open.ts'

let subject: Awaited<ReturnType<typeof createTrinoFolder>>
let warehouse: Warehouse
let parquet: ParquetEngine

beforeAll(async () => {
  subject = await createTrinoFolder()
  warehouse = await subject.open(trinoUrl('reads'))
  const { datasetsFolder: folder } = subject
  parquet = await createParquetEngine({ folders: [folder], memoryMb: 512, temporaryFolder: folder })
  await execute(
    'reads',
    `CREATE TABLE reads.default.marks AS SELECT i AS id, concat('u', cast(i % 20 AS varchar)) AS user_id, sin(i) * sin(i) + 0.01 AS x,
      cast(sin(i) AS real) AS r, cast(sin(i) AS decimal(12, 3)) AS n, i % 3 AS t, chr(cast(97 + i % 5 AS bigint)) AS s
     FROM UNNEST(sequence(1, 4000)) AS q(i)`,
  )
})

afterAll(async () => {
  await parquet?.close()
  await warehouse?.close()
  await subject?.remove()
})

const grouped = (expression: string) =>
  `SELECT user_id, ${expression} AS v FROM default.marks GROUP BY user_id`

const statements: [sql: string, level: string][] = [
  ['SELECT user_id, x FROM default.marks WHERE n > 0', 'EXACT'],
  [grouped('count(*)'), 'EXACT'],
  [grouped('sum(n)'), 'EXACT'],
  [grouped('avg(n)'), 'EXACT'],
  [grouped('sum(t)'), 'EXACT'],
  [grouped('max(x)'), 'EXACT'],
  [grouped('count(DISTINCT s)'), 'EXACT'],
  ['SELECT DISTINCT user_id, s FROM default.marks', 'EXACT'],
  [
    'SELECT m.user_id, q.v FROM default.marks m JOIN (SELECT user_id, max(n) AS v FROM default.marks GROUP BY user_id) q ON q.user_id = m.user_id WHERE m.id < 50',
    'EXACT',
  ],
  ['SELECT user_id, rank() OVER (PARTITION BY user_id ORDER BY t) AS v FROM default.marks', 'EXACT'],
  ['SELECT user_id, name FROM feature_store.users', 'EXACT'],
  [grouped('sum(x)'), 'ROUNDING'],
  [grouped('2 * avg(x) + 1'), 'ROUNDING'],
  [grouped('stddev(x)'), 'ROUNDING'],
  [`${grouped('sum(x)')} UNION ALL SELECT user_id, x FROM default.marks`, 'ROUNDING'],
  [`SELECT user_id, max(v) AS v FROM (${grouped('sum(x)')}) GROUP BY user_id`, 'ROUNDING'],
  [grouped('sum(r)'), 'OPEN'],
  [grouped('sum(x) > 90'), 'OPEN'],
  [grouped('cast(sum(x) AS decimal(30, 20))'), 'OPEN'],
  [`${grouped('sum(x)')} HAVING sum(x) > 90`, 'OPEN'],
  [grouped('array_agg(s)'), 'OPEN'],
  [grouped('max_by(s, t)'), 'OPEN'],
  [grouped('approx_percentile(x, 0.5)'), 'OPEN'],
  ['SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY t) AS v FROM default.marks', 'OPEN'],
  ['SELECT user_id, x FROM default.marks ORDER BY t LIMIT 5', 'OPEN'],
  ['SELECT user_id, x FROM default.marks OFFSET 5', 'OPEN'],
  ['SELECT user_id, random() AS v FROM default.marks', 'OPEN'],
]

test.each(statements)('%s: %s', async (sql, level) => {
  const { columns, determinism } = await warehouse.describe(sql)
  if (determinism === undefined) throw new Error('Nothing is promised.')
  expect(overall(determinism), overall(determinism).note ?? '').toMatchObject({ level })
  if (level === 'OPEN') return
  const named = columns.map(({ name }, i) => [name, determinism.columns[i] ?? determinism.rows] as const)
  const promised: Promised = ofOneKey({ columns: new Map(named), rows: determinism.rows }, ['user_id'])
  const path = join(subject.datasetsFolder, 'trained.parquet')
  const trained = await warehouse.exportParquet({ sql, path })
  const { rows } = await parquet.read(path, { columns: trained.columns })
  for (const key of ['u1', 'u7', 'u19']) {
    const served = await warehouse.lookup({ sql, key: ['user_id'], values: [[key]] })
    const own = rows.filter(([user]) => user === key)
    expect(compareRows(textsOf(columns, own), textsOf(columns, served.rows), promised), key).toBe('SAME')
  }
})

function textsOf(columns: readonly Column[], rows: readonly Row[]): string[] {
  const write = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)
  return rows.map((row) =>
    JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])), write),
  )
}
