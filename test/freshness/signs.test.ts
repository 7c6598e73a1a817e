// Tables that tell of their changes by themselves: files by their times and sizes, tables of PostgreSQL by the triggers that the docs give.

import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { startGateway, startWithPostgres } from './gateway.ts'

describe('files', () => {
  test('that change are followed, also when they change while no gateway runs', {
    timeout: 300_000,
  }, async () => {
    const files = await createDataFolder('signs')
    const path = join(files.path, 'totals.csv')
    const write = async (total: number) => {
      await writeFile(`${path}.new`, `user_id,total\nu1,${total}\nu2,0\n`)
      await rename(`${path}.new`, path)
    }
    await write(1)
    const gateway = await startGateway({ WAREHOUSE_FILES: path })
    const { queryId, view } = await gateway.createView(
      'totals',
      'SELECT user_id, total FROM files.totals',
      'indexKey: "user_id"',
    )
    expect(view).toMatchObject({
      ttlSeconds: null,
      freshness: { keptBy: ['SIGNS'], behindSeconds: 2, note: null },
    })
    const total = async () => (await gateway.lookUp(queryId, 'user_id', ['u1']))[0]?.rows[0]?.total
    expect(await total()).toBe(1)
    await write(2)
    await expect.poll(total).toBe(2)
    await gateway.idle()
    expect((await gateway.lookUp(queryId, 'user_id', ['u1']))[0]).toMatchObject({
      status: 'FRESH',
      source: 'ONLINE',
    })
    await gateway.restart(() => write(3))
    expect(await total()).toBe(3)
    await gateway.close()
    await files.remove()
  })
})

describe('tables of PostgreSQL', () => {
  let place: Awaited<ReturnType<typeof startWithPostgres>>
  let queryId: string
  const sql = 'SELECT user_id, sum(total) AS total FROM sales.orders GROUP BY user_id'

  beforeAll(async () => {
    place = await startWithPostgres(`
      CREATE TABLE sales.orders (order_id int PRIMARY KEY, user_id uuid, total int);
      INSERT INTO sales.orders SELECT n, ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 1 FROM generate_series(1, 200) n;
      CREATE TABLE sales.refunds (order_id int REFERENCES sales.orders ON DELETE CASCADE, user_id uuid)`)
    const signs = await readFile(new URL('../../docs/postgres-signs.sql', import.meta.url), 'utf8')
    await place.write(signs)
    await place.write("SELECT gateway.follow('sales.orders', 'user_id')")
    const made = await place.gateway.createView('totals', sql, 'indexKey: "user_id"')
    queryId = made.queryId
    expect(made.view).toMatchObject({
      refresh: 'BY_KEY',
      ttlSeconds: null,
      freshness: { keptBy: ['SIGNS'], behindSeconds: 2, note: null },
    })
    await place.gateway.idle()
  })

  afterAll(() => place?.close())

  test('tell of themselves, not of one whose name differs in case', async () => {
    const { gateway, write } = place
    await write('CREATE TABLE sales."Orders" (user_id uuid, total int)')
    const { view } = await gateway.createView(
      'of another case',
      'SELECT user_id, total FROM sales."Orders"',
      'indexKey: "user_id"',
    )
    expect(view.freshness.keptBy).toEqual(['NOTHING'])
    await gateway.client.data(`mutation { tableChanged(table: "sales.\\"Orders\\"") { id } }`)
    const changedAt = async (table: string) => {
      const document = 'query ($table: String!) { table(name: $table) { changedAt } }'
      return (await gateway.client.data<{ table: { changedAt: string | null } }>(document, { table })).table
    }
    expect(await changedAt('sales."Orders"')).toEqual({ changedAt: expect.any(String) })
    expect(await changedAt('sales.orders')).toEqual({ changedAt: null })
    expect((await gateway.view(view.id)).freshness.keptBy).toEqual(['NOTICE'])
    await gateway.client.data(`mutation { deleteFeatureView(id: "${view.id}") }`)
  })

  const user = (n: number) => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`
  const lookUp = (ns: readonly number[]) => place.gateway.lookUp(queryId, 'user_id', ns.map(user))
  const totals = async (ns: readonly number[]) =>
    (await lookUp(ns)).map(({ rows }) => Number(rows[0]?.total ?? 0))

  test.each<[string, string, readonly number[], readonly number[]]>([
    ['an UPDATE', `UPDATE sales.orders SET total = 5 WHERE order_id IN (1, 2)`, [1, 2, 3], [5, 5, 1]],
    [
      'an INSERT',
      `INSERT INTO sales.orders VALUES (900, '${user(3)}', 9), (901, '${user(900)}', 7)`,
      [3, 900],
      [10, 7],
    ],
    ['a DELETE', `DELETE FROM sales.orders WHERE order_id = 900`, [3], [1]],
    [
      'an UPDATE that moves a row',
      `UPDATE sales.orders SET user_id = '${user(6)}' WHERE order_id = 5`,
      [5, 6],
      [0, 2],
    ],
    [
      'what a dbt run writes: a MERGE',
      `MERGE INTO sales.orders t USING (VALUES (7, 70), (8, 80)) s(id, total) ON t.order_id = s.id WHEN MATCHED THEN UPDATE SET total = s.total`,
      [7, 8],
      [70, 80],
    ],
    [
      'a transaction of several',
      `BEGIN; UPDATE sales.orders SET total = 11 WHERE order_id = 11; DELETE FROM sales.orders WHERE order_id = 12; COMMIT`,
      [11, 12],
      [11, 0],
    ],
  ])(
    'after %s the touched keys are served from online, and no others are computed',
    async (_, statement, ns, expected) => {
      const before = place.gateway.lines.length
      await place.write(statement)
      await expect.poll(() => totals(ns)).toEqual(expected)
      const results = await lookUp([...ns, 100])
      expect(results.every(({ source }) => source === 'ONLINE')).toBe(true)
      await expect
        .poll(() => place.write('SELECT count(*)::int AS n FROM gateway.table_change'))
        .toEqual([{ n: 0 }])
      expect(place.gateway.lines.slice(before).join('')).not.toContain('in full')
    },
  )

  test('what is rolled back is not told', async () => {
    await place.write('BEGIN; UPDATE sales.orders SET total = 1000; ROLLBACK')
    expect(await place.write('SELECT count(*)::int AS n FROM gateway.table_change')).toEqual([{ n: 0 }])
    expect(await totals([100])).toEqual([1])
  })

  test('more keys than a notice holds, and a TRUNCATE, have the view computed whole', async () => {
    await place.write(
      "INSERT INTO sales.orders SELECT 1000 + n, ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, 1 FROM generate_series(1, 10001) n; UPDATE sales.orders SET total = 3 WHERE order_id = 100",
    )
    await expect.poll(() => totals([100])).toEqual([3])
    await place.write('TRUNCATE sales.orders CASCADE')
    await expect.poll(() => totals([100])).toEqual([0])
  })

  test('what the gateway itself writes is not told again', async () => {
    const { ingest } = await place.gateway.client.data<{ ingest: { id: string } }>(
      `mutation { ingest(table: "sales.orders", rows: [{ order_id: 5000, user_id: "${user(50)}", total: 4 }]) { id } }`,
    )
    const job = await place.gateway.services.publishing.wait(ingest.id)
    expect(job).toMatchObject({ status: 'SUCCEEDED' })
    expect(await place.write('SELECT count(*)::int AS n FROM gateway.table_change')).toEqual([{ n: 0 }])
    expect(await totals([50])).toEqual([4])
  })

  test('once unfollowed, nothing keeps the table', async () => {
    await place.write("SELECT gateway.unfollow('sales.orders')")
    const { featureViews } = await place.gateway.client.data<{
      featureViews: { edges: { node: { freshness: { keptBy: string[] } } }[] }
    }>('{ featureViews { edges { node { freshness { keptBy } } } } }')
    expect(featureViews.edges[0]?.node.freshness.keptBy).toEqual(['NOTHING'])
  })
})
