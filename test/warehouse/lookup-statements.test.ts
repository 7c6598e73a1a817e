// Of generated statements, what a lookup finds is what the whole result holds of its values, on each engine.

import { expect, test } from 'vitest'
import type { Row } from '../../src/values/columns.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { onAdapter } from '../adapters.ts'
import { startPostgres } from '../servers/postgres.ts'
import { tries } from '../thorough.ts'
import { createRandom, createTables, keys } from './generated-statements.ts'
import { createLookupStatement } from './lookup-statements.ts'
import { createWarehouseFolder } from './open-duckdb.ts'
import { createPostgresWarehouseFolder } from './open-postgres.ts'

const statementCount = tries({ all: 100, part: 32 })
const none = (count: number) => Array.from({ length: count }, (_, i) => `none${i}`)
/** One value, several, many, and more than the embedded engine is given parameters for. */
const asked = [['a'], ['b', 'c', 'none'], [...keys, ...none(300)], [...keys, ...none(10_000)]]

/** Each a pair that some of the rows have, crossed with those of others. */
const pairs = [
  [['a', 'b']],
  [
    ['a', 'a'],
    ['b', 'b'],
    ['a', 'none'],
  ],
  [['a', 'b'], ['b', 'a'], ['c', 'a'], ...Array.from({ length: 300 }, (_, i) => ['a', `none${i}`])],
] as const

const texts = (rows: readonly Row[]) => rows.map((row) => JSON.stringify(row)).sort()

async function compare(warehouse: Warehouse): Promise<void> {
  const random = createRandom(61)
  await warehouse.append({ jobId: 'generated', batch: 0, tables: createTables(random) })
  let found = 0
  let foundByTwo = 0
  for (let i = 0; i < statementCount; i++) {
    const sql = createLookupStatement(random)
    const whole: Row[] = []
    const { batches } = await warehouse.scan({ sql, key: ['user_id'] })
    for await (const rows of batches) whole.push(...rows)
    for (const values of asked) {
      const { rows } = await warehouse.lookup({
        sql,
        key: ['user_id'],
        values: values.map((value) => [value]),
      })
      const wanted = whole.filter(([key]) => values.includes(String(key)))
      expect(texts(rows), `${values.length} values of ${sql}`).toEqual(texts(wanted))
      found += rows.length
    }
  }
  // By two columns each statement is another plan: some of them will do.
  for (let i = 0; i < statementCount / 8; i++) {
    const sql = createLookupStatement(random)
    const whole: Row[] = []
    for await (const rows of (await warehouse.scan({ sql, key: ['user_id', 's'] })).batches)
      whole.push(...rows)
    for (const values of pairs) {
      const { rows } = await warehouse.lookup({ sql, key: ['user_id', 's'], values })
      const wanted = whole.filter(([a, b]) => values.some((pair) => pair[0] === a && pair[1] === b))
      expect(texts(rows), `${values.length} pairs of ${sql}`).toEqual(texts(wanted))
      foundByTwo += rows.length
    }
  }
  expect(foundByTwo).toBeGreaterThan(statementCount / 8)
  // Were nothing found, nothing would have been tried.
  expect(found).toBeGreaterThan(statementCount)
}

test('the embedded engine finds by bound values what it gives of the whole', async () => {
  const folder = await createWarehouseFolder()
  const warehouse = await folder.open()
  await compare(warehouse)
  await warehouse.close()
  await folder.remove()
}, 400_000)

onAdapter('postgres', () =>
  test('PostgreSQL finds by bound values what it gives of the whole', async () => {
    const server = await startPostgres()
    const folder = await createPostgresWarehouseFolder(server.url)
    const warehouse = await folder.open()
    await compare(warehouse)
    await warehouse.close()
    await server.stop()
    await folder.remove()
  }, 400_000),
)
