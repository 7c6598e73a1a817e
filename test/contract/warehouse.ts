// The contract of the warehouse port: every adapter's test calls testWarehouse.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createParquetEngine } from '../../src/parquet/engine.ts'
import { quoteName } from '../../src/sql/sql-text.ts'
import { type OwnMoments, testAsOf } from './as-of.ts'
import { testCompositeKeys } from './composite-keys.ts'
import { type AlikeStorages, testCreateTable } from './create-table.ts'
import { testErase } from './erase.ts'
import { testSnapshots } from './snapshots.ts'
import { testTimelines } from './timelines.ts'
import { testAppends } from './warehouse-appends.ts'
import { testExports } from './warehouse-exports.ts'
import { testReads } from './warehouse-reads.ts'
import { askWarehouse, type Opened, type WarehouseUnderTest } from './warehouse-tests.ts'

/** `erases`: whether rows can be taken away; `moments`: statements that call as_of(); `alike`: see testCreateTable. */
export function testWarehouse(
  name: string,
  start: () => Promise<WarehouseUnderTest>,
  {
    erases = true,
    moments = {},
    alike = [],
  }: { erases?: boolean; moments?: OwnMoments; alike?: AlikeStorages } = {},
): void {
  describe(`${name} as a warehouse`, () => {
    const at = {} as Opened
    const asking = askWarehouse(at)
    const { users, lookup, usersOf, refusal, exported } = asking

    beforeAll(async () => {
      at.subject = await start()
      at.warehouse = await at.subject.open()
      at.parquet = await createParquetEngine({
        folders: [at.subject.folder],
        memoryMb: 512,
        temporaryFolder: at.subject.folder,
      })
    })

    afterAll(async () => {
      await at.parquet?.close()
      await at.warehouse?.close()
      await at.subject?.remove()
    })

    testAppends(at, asking)

    describe('describe', () => {
      test('MUST name columns, types and base tables wherever they stand', async () => {
        const sql = `WITH bound AS (SELECT user_id, count(*) AS n FROM feature_store.quotes WHERE is_binded GROUP BY user_id)
          SELECT u.user_id, bound.n, u.creation_date, (SELECT max(p.policy_id) FROM feature_store.policies p) AS last
          FROM feature_store.users u LEFT JOIN bound ON bound.user_id = u.user_id`
        const { columns, tables } = await at.warehouse.describe(sql)
        expect(columns.map(({ name, type }) => [name, type])).toEqual([
          ['user_id', 'STRING'],
          ['n', 'INT64'],
          ['creation_date', 'FLOAT64'],
          ['last', 'STRING'],
        ])
        expect(tables.map((table) => `${table.schema}.${table.name}`).sort()).toEqual([
          'feature_store.policies',
          'feature_store.quotes',
          'feature_store.users',
        ])
        expect(tables.find((table) => table.name === 'users')?.columns).toContain('address')
      })

      test('MUST tell line and column of a mistake, counted in the text that was given', async () => {
        const error = await refusal(
          at.warehouse.describe('SELECT user_id,\n  nothing\nFROM feature_store.users'),
        )
        expect(error.code).toBe('INVALID_SQL')
        expect(error.details).toMatchObject({ line: 2, column: 3 })
        expect(error.message).toContain('nothing')
      })

      test('MUST count characters, not bytes, on the line', async () => {
        const error = await refusal(at.warehouse.describe("SELECT 'é🦆', nothing FROM feature_store.users"))
        expect(error.details).toMatchObject({ line: 1, column: 14 })
      })

      test('MUST tell line and column of a syntax error', async () => {
        const error = await refusal(at.warehouse.describe('SELECT 1\nFORM x'))
        expect(error.code).toBe('INVALID_SQL')
        expect(error.details).toMatchObject({ line: 2 })
      })

      test.for([
        'SELECT user_id, name AS user_id FROM feature_store.users',
        'SELECT user_id, name AS "USER_ID" FROM feature_store.users',
        'SELECT * FROM feature_store.users u JOIN feature_store.quotes q ON u.user_id = q.user_id',
      ])('MUST refuse two columns of one name, with a hint: %s', async (sql) => {
        const error = await refusal(at.warehouse.describe(sql))
        expect(error.code).toBe('INVALID_SQL')
        expect(error.message).toMatch(/AS/)
      })

      test.for([
        'SELECT user_id FROM feature_store.users;',
        'SELECT user_id FROM feature_store.users -- all of them',
        ' ;SELECT user_id /* ; */ FROM feature_store.users ; ; -- the end;',
        "SELECT user_id FROM feature_store.users WHERE name <> ';' OR name <> '--'\n;\n",
      ])('MUST take semicolons at the end and comments: %s', async (sql) => {
        expect((await at.warehouse.describe(sql)).columns.map(({ name }) => name)).toEqual(['user_id'])
        expect((await lookup(sql, 'user_id', ['nobody at all'])).rows).toEqual([])
        await exported(sql)
      })

      test.for([
        '',
        '-- nothing',
        'SELECT 1 AS a; SELECT 2 AS a',
        'DROP TABLE feature_store.users',
        'INSERT INTO feature_store.users (user_id) VALUES (1)',
        'SELECT 1 AS a) t; DROP TABLE feature_store.users; --',
        'SELECT * FROM nowhere.at_all',
      ])('MUST refuse what is not one SELECT over its tables: %s', async (sql) => {
        expect((await refusal(at.warehouse.describe(sql))).code).toBe('INVALID_SQL')
      })

      test('MUST refuse on every path what reads files, the network, settings or the gateway’s own tables', async () => {
        for (const sql of at.subject.sql.refused) {
          const path = join(at.subject.folder, 'refused.parquet')
          const paths = [
            () => at.warehouse.describe(sql),
            () => at.warehouse.exportParquet({ sql, path }),
            () => lookup(sql, 'a', [1]),
            () => at.warehouse.scan({ sql, key: ['a'] }),
          ]
          for (const run of paths) expect((await refusal(run())).code, sql).toBe('INVALID_SQL')
        }
        expect(await readdir(at.subject.folder)).not.toContain('refused.parquet')
      })
    })

    testReads(at, asking)
    testExports(at, asking)
    testSnapshots(at, asking)
    testCreateTable(() => at.warehouse, { alike })
    testErase(() => at.warehouse, { erases })
    testAsOf(at, asking, moments)
    testTimelines(() => at.warehouse)
    testCompositeKeys(
      () => at.warehouse,
      () => at.subject.sql.values,
    )

    test('MUST list the tables that statements may read, and no others', async () => {
      const tables = await at.warehouse.tables()
      const own = tables.filter(
        ({ schema, name }) => schema === 'feature_store' && !/^(made|erase)/.test(name),
      )
      expect(own.map(({ name, columns }) => [name, columns.length])).toEqual([
        ['policies', 6],
        ['quotes', 8],
        ['transactions', 9],
        ['users', 4],
      ])
      for (const { schema, name } of tables)
        await at.warehouse.describe(`SELECT * FROM ${quoteName(schema)}.${quoteName(name)}`)
    })

    test('MUST still hold, when opened again, what was appended, and its version', async () => {
      await users(['user_id'], [['again']], 'again', 7)
      const version = await at.warehouse.version()
      await at.warehouse.close()
      at.warehouse = await at.subject.open()
      await at.warehouse.ping()
      expect(await at.warehouse.version()).toBe(version)
      expect((await users(['user_id'], [['again']], 'again', 7)).applied).toBe(false)
      expect((await lookup(usersOf('again'), 'user_id', ['again'])).rows).toHaveLength(1)
    })

    test('MUST reject what comes after close with WAREHOUSE_FAILED, and stop what runs', async () => {
      const path = join(at.subject.folder, 'closing.parquet')
      const running = refusal(at.warehouse.exportParquet({ sql: at.subject.sql.slow, path }))
      await at.warehouse.describe('SELECT 1 AS a')
      await at.warehouse.close()
      expect((await running).code).toBe('WAREHOUSE_FAILED')
      expect((await refusal(at.warehouse.ping())).code).toBe('WAREHOUSE_FAILED')
      expect((await refusal(users(['user_id'], [['late']]))).code).toBe('WAREHOUSE_FAILED')
      await at.warehouse.close()
      at.warehouse = await at.subject.open()
    })
  })
}
