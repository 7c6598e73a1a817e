// The contract of the warehouse port: every adapter's test calls testWarehouse.

import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import { quoteName } from '../../src/sql/sql-text.ts'
import type { Column, Row, Value } from '../../src/values/columns.ts'
import type { KeyValue } from '../../src/values/key-values.ts'
import type { AppendRequest, ScanResult, Warehouse } from '../../src/warehouse/port.ts'
import { testCompositeKeys } from './composite-keys.ts'
import { testCreateTable } from './create-table.ts'
import { testErase } from './erase.ts'

export interface WarehouseUnderTest {
  /** Opens an empty warehouse; again, the one that the last call left closed. */
  open(): Promise<Warehouse>
  /** Where it may write Parquet. */
  folder: string
  remove(): Promise<void>
  /** Statements in the engine's own SQL. */
  sql: {
    /** Runs for many seconds. */
    slow: string
    /** What may not run: each reads or changes what it must not. */
    refused: readonly string[]
    /** One row with a column for each type; and what it must give. */
    values: readonly { sql: string; type: string; value: Value }[]
  }
}

/** `erases`: whether rows can be taken away. */
export function testWarehouse(
  name: string,
  start: () => Promise<WarehouseUnderTest>,
  { erases = true } = {},
): void {
  describe(`${name} as a warehouse`, () => {
    let subject: WarehouseUnderTest
    let warehouse: Warehouse
    let parquet: ParquetEngine

    beforeAll(async () => {
      subject = await start()
      warehouse = await subject.open()
      parquet = await createParquetEngine({
        folders: [subject.folder],
        memoryMb: 512,
        temporaryFolder: subject.folder,
      })
    })

    afterAll(async () => {
      await parquet?.close()
      await warehouse?.close()
      await subject?.remove()
    })

    const users = (
      columns: readonly string[],
      rows: readonly Row[],
      jobId: string = crypto.randomUUID(),
      batch = 0,
    ) => warehouse.append({ jobId, batch, tables: [{ table: 'users', columns, rows }] })
    const lookup = (sql: string, key: string, values: readonly KeyValue[]) =>
      warehouse.lookup({ sql, key: [key], values: values.map((value) => [value]) })
    const usersOf = (prefix: string) => `SELECT * FROM feature_store.users WHERE user_id LIKE '${prefix}%'`
    const refusal = async (promise: Promise<unknown>): Promise<AppError> => {
      const error = await promise.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(AppError)
      return error as AppError
    }

    async function exported(sql: string, saved?: readonly Column[]) {
      const path = join(subject.folder, `${crypto.randomUUID()}.parquet`)
      const result = await warehouse.exportParquet({ sql, saved, path })
      return { ...result, rows: (await parquet.read(path, { columns: result.columns })).rows }
    }

    describe('append', () => {
      test('MUST count its version up by one for each append and none for a repeated one', async () => {
        const before = await warehouse.version()
        const first = await users(['user_id'], [['v1']], 'version', 1)
        const again = await users(['user_id'], [['v1'], ['v2']], 'version', 1)
        const second = await users(['user_id'], [['v2']], 'version', 2)
        expect([first, again, second]).toMatchObject([
          { applied: true, version: before + 1 },
          { applied: false, version: before + 1 },
          { applied: true, version: before + 2 },
        ])
        expect(await warehouse.version()).toBe(before + 2)
        expect((await lookup(usersOf('v'), 'user_id', ['v1', 'v2'])).rows).toHaveLength(2)
      })

      test('MUST leave columns that are not named null and take the others in any order', async () => {
        await users(['creation_date', 'user_id'], [[1.5, 'order']])
        expect((await lookup(usersOf('order'), 'user_id', ['order'])).rows).toEqual([
          ['order', null, null, 1.5],
        ])
      })

      test.for<[string, AppendRequest['tables']]>([
        ['a table that is not there', [{ table: 'nobody', columns: ['user_id'], rows: [['x']] }]],
        ['a table of another schema', [{ table: 'gateway.ledger', columns: ['job_id'], rows: [['x']] }]],
        ['a column that is not there', [{ table: 'users', columns: ['nothing'], rows: [['x']] }]],
        ['a value of another type', [{ table: 'users', columns: ['user_id'], rows: [['x'], [5]] }]],
      ])('MUST refuse %s with BAD_USER_INPUT and write nothing of it', async ([, faulty]) => {
        const before = await warehouse.version()
        const good = { table: 'users', columns: ['user_id'], rows: [['half']] }
        const error = await refusal(
          warehouse.append({ jobId: 'faulty', batch: 1, tables: [good, ...faulty] }),
        )
        expect(error.code).toBe('BAD_USER_INPUT')
        expect(await warehouse.version()).toBe(before)
        expect((await lookup(usersOf('half'), 'user_id', ['half'])).rows).toEqual([])
      })

      test('MUST keep texts exactly: long, empty, of every script, and those that look like SQL', async () => {
        const texts = ["' OR 1=1 --", '', '0012', '🦆 é e\u0301', '\n\t"\\', 'x'.repeat(10_000)]
        await users(
          ['user_id', 'name'],
          texts.map((text) => ['text', text]),
        )
        const { rows } = await lookup(usersOf('text'), 'user_id', ['text'])
        expect(rows.map((row) => row[1]).sort()).toEqual([...texts].sort())
      })

      test('MUST apply every one of many appends at once, each batch once', async () => {
        const before = await warehouse.version()
        const appends = Array.from({ length: 20 }, (_, i) =>
          users(['user_id'], [[`many${i % 10}`]], 'many', i % 10),
        )
        const results = await Promise.all(appends)
        expect(results.filter(({ applied }) => applied)).toHaveLength(10)
        expect(await warehouse.version()).toBe(before + 10)
        expect((await exported(usersOf('many'))).rowCount).toBe(10n)
      })

      test('MUST write tens of thousands of rows of several tables in one transaction, seen whole or not at all', async () => {
        const ids = Array.from({ length: 20_000 }, (_, i) => `bulk${i}`)
        const counts = `SELECT 1 AS k, (SELECT count(*) FROM feature_store.users WHERE user_id LIKE 'bulk%') AS u, (SELECT count(*) FROM feature_store.quotes WHERE user_id LIKE 'bulk%') AS q`
        const seen = new Set<string>()
        let writing = true
        const reading = (async () => {
          while (writing) seen.add(JSON.stringify((await lookup(counts, 'k', [1])).rows))
        })()
        await warehouse.append({
          jobId: 'bulk',
          batch: 0,
          tables: [
            { table: 'users', columns: ['user_id'], rows: ids.map((id) => [id]) },
            { table: 'quotes', columns: ['user_id', 'is_binded'], rows: ids.map((id) => [id, true]) },
          ],
        })
        writing = false
        await reading
        seen.add(JSON.stringify((await lookup(counts, 'k', [1])).rows))
        expect([...seen].sort()).toEqual(expect.arrayContaining(['[[1,20000,20000]]']))
        expect([...seen].filter((text) => text !== '[[1,0,0]]' && text !== '[[1,20000,20000]]')).toEqual([])
      })
    })

    describe('describe', () => {
      test('MUST name columns, types and base tables wherever they stand', async () => {
        const sql = `WITH bound AS (SELECT user_id, count(*) AS n FROM feature_store.quotes WHERE is_binded GROUP BY user_id)
          SELECT u.user_id, bound.n, u.creation_date, (SELECT max(p.policy_id) FROM feature_store.policies p) AS last
          FROM feature_store.users u LEFT JOIN bound ON bound.user_id = u.user_id`
        const { columns, tables } = await warehouse.describe(sql)
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
          warehouse.describe('SELECT user_id,\n  nothing\nFROM feature_store.users'),
        )
        expect(error.code).toBe('INVALID_SQL')
        expect(error.details).toMatchObject({ line: 2, column: 3 })
        expect(error.message).toContain('nothing')
      })

      test('MUST count characters, not bytes, on the line', async () => {
        const error = await refusal(warehouse.describe("SELECT 'é🦆', nothing FROM feature_store.users"))
        expect(error.details).toMatchObject({ line: 1, column: 14 })
      })

      test('MUST tell line and column of a syntax error', async () => {
        const error = await refusal(warehouse.describe('SELECT 1\nFORM x'))
        expect(error.code).toBe('INVALID_SQL')
        expect(error.details).toMatchObject({ line: 2 })
      })

      test.for([
        'SELECT user_id, name AS user_id FROM feature_store.users',
        'SELECT user_id, name AS "USER_ID" FROM feature_store.users',
        'SELECT * FROM feature_store.users u JOIN feature_store.quotes q ON u.user_id = q.user_id',
      ])('MUST refuse two columns of one name, with a hint: %s', async (sql) => {
        const error = await refusal(warehouse.describe(sql))
        expect(error.code).toBe('INVALID_SQL')
        expect(error.message).toMatch(/AS/)
      })

      test.for([
        'SELECT user_id FROM feature_store.users;',
        'SELECT user_id FROM feature_store.users -- all of them',
        ' ;SELECT user_id /* ; */ FROM feature_store.users ; ; -- the end;',
        "SELECT user_id FROM feature_store.users WHERE name <> ';' OR name <> '--'\n;\n",
      ])('MUST take semicolons at the end and comments: %s', async (sql) => {
        expect((await warehouse.describe(sql)).columns.map(({ name }) => name)).toEqual(['user_id'])
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
        expect((await refusal(warehouse.describe(sql))).code).toBe('INVALID_SQL')
      })

      test('MUST refuse on every path what reads files, the network, settings or the gateway’s own tables', async () => {
        for (const sql of subject.sql.refused) {
          const path = join(subject.folder, 'refused.parquet')
          const paths = [
            () => warehouse.describe(sql),
            () => warehouse.exportParquet({ sql, path }),
            () => lookup(sql, 'a', [1]),
            () => warehouse.scan({ sql, key: ['a'] }),
          ]
          for (const run of paths) expect((await refusal(run())).code, sql).toBe('INVALID_SQL')
        }
        expect(await readdir(subject.folder)).not.toContain('refused.parquet')
      })
    })

    describe('lookup', () => {
      test('MUST find every row of each value, and no others, for values that look like SQL or numbers', async () => {
        const keys = ["' OR '1'='1", 'k;--', '%', '_', '0012', '12', 'null', '', ' ', '\\']
        await users(
          ['user_id', 'name'],
          keys.flatMap((key) => [
            [key, 'keys'],
            [key, 'keys'],
          ]),
        )
        const sql = "SELECT user_id AS key FROM feature_store.users WHERE name = 'keys'"
        for (const key of keys) expect((await lookup(sql, 'key', [key])).rows).toEqual([[key], [key]])
        expect((await lookup(sql, 'key', keys)).rows).toHaveLength(2 * keys.length)
        expect((await lookup(sql, 'key', ['OR', '1', 'NULL', 'key'])).rows).toEqual([])
        expect((await lookup(sql, 'key', [])).rows).toEqual([])
      })

      test('MUST find a row once though its value is asked twice, and any number of values', async () => {
        const ids = Array.from({ length: 3000 }, (_, i) => `wide${i}`)
        await users(
          ['user_id'],
          ids.map((id) => [id]),
        )
        for (const count of [1, 2, 300, 3000]) {
          const asked = ids.slice(0, count)
          const { rows } = await lookup(usersOf('wide'), 'user_id', [...asked, ...asked])
          expect(rows.map((row) => row[0]).sort()).toEqual([...asked].sort())
        }
      })

      test('MUST leave out rows whose key is null', async () => {
        await users(
          ['user_id', 'name'],
          [
            [null, 'nullkey'],
            ['nk', 'nullkey'],
          ],
        )
        const sql = "SELECT user_id, name FROM feature_store.users WHERE name = 'nullkey'"
        expect((await lookup(sql, 'user_id', ['nk', 'null', ''])).rows).toEqual([['nk', 'nullkey']])
      })

      test.for([
        ['nothing', 'x'],
        ['creation_date', 'x'],
      ] as const)('MUST refuse key %s with value %s as BAD_USER_INPUT', async ([key, value]) => {
        const error = await refusal(lookup('SELECT * FROM feature_store.users', key, [value]))
        expect(error.code).toBe('BAD_USER_INPUT')
        expect(error.message).toContain(key)
      })

      test('MUST leave nothing behind when aborted at any moment, so that later reads see the newest state', async () => {
        const sql = usersOf('abort')
        for (let i = 0; i < 60; i++) {
          const controller = new AbortController()
          const looking = warehouse.lookup({
            sql,
            key: ['user_id'],
            values: [['abort1']],
            signal: controller.signal,
          })
          setTimeout(() => controller.abort(new Error('gone')), i / 8)
          await looking.catch((error: Error) => expect(error.message).toBe('gone'))
        }
        const { version } = await users(['user_id'], [['abort1']])
        const found = await Promise.all(Array.from({ length: 20 }, () => lookup(sql, 'user_id', ['abort1'])))
        for (const result of found) expect([result.version, result.rows.length]).toEqual([version, 1])
      })

      test('MUST read the version and the rows at one moment', async () => {
        const base = await warehouse.version()
        const sql = "SELECT user_id FROM feature_store.users WHERE user_id = 'moment'"
        const appending = Array.from({ length: 15 }, () => users(['user_id'], [['moment']]))
        const reading = Array.from({ length: 40 }, () => lookup(sql, 'user_id', ['moment']))
        for (const { version, rows } of await Promise.all(reading)) expect(rows).toHaveLength(version - base)
        await Promise.all(appending)
      })
    })

    describe('scan', () => {
      const collect = async ({ batches }: ScanResult) => {
        const rows: Row[] = []
        for await (const batch of batches) rows.push(...batch)
        return rows
      }

      test('MUST give all rows with a key, those of one key together', async () => {
        const ids = Array.from({ length: 9000 }, (_, i) => [`scan${i % 3000}`, 'scan'] as const)
        await users(['user_id', 'name'], [...ids, [null, 'scan']])
        const sql = "SELECT user_id, name FROM feature_store.users WHERE name = 'scan'"
        const scanned = await warehouse.scan({ sql, key: ['user_id'] })
        expect(scanned.version).toBe(await warehouse.version())
        const keys = (await collect(scanned)).map((row) => row[0])
        expect(keys).toHaveLength(9000)
        const turns = keys.filter((key, i) => key !== keys[i - 1])
        expect(new Set(turns).size).toBe(turns.length)
      })

      test('MUST go on behind any key that it was given, of whatever text, with just the rows that come after it', async () => {
        const texts = [
          '',
          ' ',
          '"',
          "'; --",
          '\\',
          '\\N',
          'a\tb',
          'a\nb\r',
          'A',
          'a',
          'Z',
          'ä',
          'é',
          '日本',
          '😀',
          '￿',
        ]
        const rows = texts.flatMap((text) => [
          [text, 'behind'],
          [text, 'behind'],
        ])
        await users(['user_id', 'name'], rows)
        const sql = "SELECT user_id, name FROM feature_store.users WHERE name = 'behind'"
        const order = (await collect(await warehouse.scan({ sql, key: ['user_id'] }))).map((row) => row[0])
        expect(new Set(order)).toEqual(new Set(texts))
        for (const [i, text] of [...new Set(order)].entries()) {
          const rest = await warehouse.scan({ sql, key: ['user_id'], after: [String(text)] })
          expect((await collect(rest)).map((row) => row[0])).toEqual(order.slice(2 * i + 2))
        }
      })

      test('MUST leave room for others when its reader walks away, again and again', async () => {
        for (let i = 0; i < 40; i++) {
          const { batches } = await warehouse.scan({ sql: usersOf('bulk'), key: ['user_id'] })
          for await (const _ of batches) break
        }
        expect((await lookup(usersOf('bulk1'), 'user_id', ['bulk1'])).rows).toHaveLength(1)
      })

      test('MUST keep reading the state that it began with', async () => {
        await users(['user_id'], [['state1'], ['state2']])
        const scanned = await warehouse.scan({ sql: usersOf('state'), key: ['user_id'] })
        const later = await users(['user_id'], [['state3']])
        expect(later.version).toBe(scanned.version + 1)
        expect((await collect(scanned)).map((row) => row[0])).toEqual(['state1', 'state2'])
      })
    })

    describe('exportParquet', () => {
      test('MUST say which columns hold nulls, and how many rows there are', async () => {
        await users(
          ['user_id', 'name'],
          [
            ['nil1', 'a'],
            ['nil2', null],
          ],
        )
        const { columns, rowCount } = await exported(usersOf('nil'))
        expect(rowCount).toBe(2n)
        expect(columns.map(({ name, nullable }) => [name, nullable])).toEqual([
          ['user_id', false],
          ['name', true],
          ['address', true],
          ['creation_date', true],
        ])
      })

      test('MUST write a file without rows with its columns', async () => {
        const { columns, rowCount, rows } = await exported(usersOf('there is no such prefix'))
        expect([rowCount, rows, columns.length]).toEqual([0n, [], 4])
      })

      test('MUST write the same into a file that only the gateway reads', async () => {
        const sql = `${usersOf('bulk')} ORDER BY user_id`
        const path = join(subject.folder, 'intermediate.parquet')
        const { columns } = await warehouse.exportParquet({ sql, path, isIntermediate: true })
        const { rows } = await parquet.read(path, { columns })
        expect(rows).toEqual((await exported(sql)).rows)
        expect(rows.length).toBeGreaterThan(0)
      })

      test('SHOULD keep the order that the statement asks for', async () => {
        const { rows } = await exported(`${usersOf('bulk')} ORDER BY user_id DESC`)
        const ids = rows.map((row) => String(row[0]))
        expect(ids).toEqual([...ids].sort().reverse())
      })

      test('MUST leave nothing behind when the statement fails as it runs', async () => {
        const before = await readdir(subject.folder)
        const sql = 'SELECT CAST(user_id AS INTEGER) AS number FROM feature_store.users'
        const path = join(subject.folder, 'failed.parquet')
        expect((await refusal(warehouse.exportParquet({ sql, path }))).code).toBe('INVALID_SQL')
        expect(await readdir(subject.folder)).toEqual(before)
      })

      test('MUST stop at once when aborted, leave nothing, and go on with other work meanwhile', async () => {
        const controller = new AbortController()
        const path = join(subject.folder, 'slow.parquet')
        const slow = warehouse.exportParquet({ sql: subject.sql.slow, path, signal: controller.signal })
        expect((await lookup(usersOf('bulk1'), 'user_id', ['bulk1'])).rows).toHaveLength(1)
        const reason = new Error('enough')
        const startedMs = performance.now()
        controller.abort(reason)
        await expect(slow).rejects.toBe(reason)
        expect(performance.now() - startedMs).toBeLessThan(10_000)
        await expect(access(path)).rejects.toThrow()
      })

      test('MUST reject at once when it is aborted before it begins', async () => {
        const path = join(subject.folder, 'never.parquet')
        const reason = new Error('never')
        const signal = AbortSignal.abort(reason)
        await expect(warehouse.exportParquet({ sql: subject.sql.slow, path, signal })).rejects.toBe(reason)
      })

      test('MUST answer lookups while as many exports run as there may be', async () => {
        const controller = new AbortController()
        const exports = Array.from({ length: 12 }, (_, i) =>
          warehouse.exportParquet({
            sql: subject.sql.slow,
            path: join(subject.folder, `crowd${i}.parquet`),
            signal: controller.signal,
          }),
        )
        const ended = Promise.allSettled(exports)
        expect((await lookup(usersOf('bulk1'), 'user_id', ['bulk1'])).rows).toHaveLength(1)
        controller.abort(new Error('enough'))
        expect((await ended).every(({ status }) => status === 'rejected')).toBe(true)
      })
    })

    describe('every path', () => {
      test('MUST give the same columns, types and values for the same row', async () => {
        for (const { sql: expression, type, value } of subject.sql.values) {
          const sql = `SELECT 1 AS k, ${expression} AS v`
          const described = await warehouse.describe(sql)
          const { storage, native } = described.columns[1] ?? {}
          const column = { name: 'v', type, nullable: true, storage, native }
          expect(native !== undefined, expression).toBe(type === 'STRING')
          expect(described.columns[1], expression).toEqual(column)
          const file = await exported(sql)
          expect(file.columns[1], expression).toEqual({ ...column, nullable: value === null })
          const looked = await lookup(sql, 'k', [1])
          expect(looked.columns, expression).toEqual(described.columns)
          const scanned = await warehouse.scan({ sql, key: ['k'] })
          expect(scanned.columns, expression).toEqual(described.columns)
          const rows: Row[] = []
          for await (const batch of scanned.batches) rows.push(...batch)
          expect([file.rows, looked.rows, rows], expression).toEqual([
            [[1, value]],
            [[1, value]],
            [[1, value]],
          ])
        }
      })

      test('MUST give the saved columns alone, as they were saved, or SCHEMA_MISMATCH with each difference', async () => {
        const sql = `SELECT 1 AS k, 'x' AS "odd; name", 2 AS n, ${subject.sql.values[0]?.sql} AS v`
        const { columns } = await warehouse.describe(sql)
        const [k, odd, n, v] = columns
        if (k === undefined || odd === undefined || n === undefined || v === undefined)
          throw new Error('none')
        const row = (await lookup(sql, 'k', [1])).rows[0] ?? []
        for (const saved of [columns, [v, k], [n, odd, k, v], [k]]) {
          const names = saved.map(({ name }) => name)
          const expected = saved.map((column) => row[columns.indexOf(column)])
          const file = await exported(sql, saved)
          expect(file.columns.map(({ name }) => name)).toEqual(names)
          const looked = await warehouse.lookup({ sql, saved, key: ['k'], values: [[1], [2]] })
          const scanned = await warehouse.scan({ sql, saved, key: ['k'] })
          expect([looked.columns, scanned.columns]).toEqual([saved, saved])
          const rows: Row[] = []
          for await (const batch of scanned.batches) rows.push(...batch)
          expect([file.rows, looked.rows, rows]).toEqual([[expected], [expected], [expected]])
        }
        const other = [
          { ...k, type: 'DATE' as const },
          { ...n, name: 'gone' },
          { ...odd, storage: 'BLOB' },
        ]
        const differences = [
          `"k" was DATE and is ${k.type}`,
          `"gone" (${n.type}) is missing`,
          `"odd; name" was BLOB and is ${odd.storage}`,
        ]
        for (const attempt of [
          () => exported(sql, other),
          () => warehouse.lookup({ sql, saved: other, key: ['k'], values: [[1]] }),
          () => warehouse.scan({ sql, saved: other, key: ['k'] }),
        ]) {
          expect(await refusal(attempt())).toMatchObject({
            code: 'SCHEMA_MISMATCH',
            details: { differences },
          })
        }
      })

      test('MUST find a row by the value that it gave for the key, whatever its type', async () => {
        const keys = subject.sql.values.filter(({ type }) => !['LIST', 'STRUCT', 'JSON'].includes(type))
        for (const { sql: expression, value } of keys) {
          if (value === null) continue
          const { rows } = await lookup(`SELECT ${expression} AS v`, 'v', [value])
          expect(rows, expression).toEqual([[value]])
        }
      })
    })

    testCreateTable(() => warehouse)
    testErase(() => warehouse, { erases })
    testCompositeKeys(
      () => warehouse,
      () => subject.sql.values,
    )

    test('MUST list the tables that statements may read, and no others', async () => {
      const tables = await warehouse.tables()
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
        await warehouse.describe(`SELECT * FROM ${quoteName(schema)}.${quoteName(name)}`)
    })

    test('MUST still hold, when opened again, what was appended, and its version', async () => {
      await users(['user_id'], [['again']], 'again', 7)
      const version = await warehouse.version()
      await warehouse.close()
      warehouse = await subject.open()
      await warehouse.ping()
      expect(await warehouse.version()).toBe(version)
      expect((await users(['user_id'], [['again']], 'again', 7)).applied).toBe(false)
      expect((await lookup(usersOf('again'), 'user_id', ['again'])).rows).toHaveLength(1)
    })

    test('MUST reject what comes after close with WAREHOUSE_FAILED, and stop what runs', async () => {
      const path = join(subject.folder, 'closing.parquet')
      const running = refusal(warehouse.exportParquet({ sql: subject.sql.slow, path }))
      await warehouse.describe('SELECT 1 AS a')
      await warehouse.close()
      expect((await running).code).toBe('WAREHOUSE_FAILED')
      expect((await refusal(warehouse.ping())).code).toBe('WAREHOUSE_FAILED')
      expect((await refusal(users(['user_id'], [['late']]))).code).toBe('WAREHOUSE_FAILED')
      await warehouse.close()
      warehouse = await subject.open()
    })
  })
}
