// The part of the warehouse port's contract on lookups and scans, and on what holds of every way of reading.

import { describe, expect, test } from 'vitest'
import type { Row } from '../../src/values/columns.ts'
import type { ScanResult } from '../../src/warehouse/port.ts'
import type { Opened, WarehouseTests } from './warehouse-tests.ts'

export function testReads(at: Opened, { users, lookup, usersOf, refusal, exported }: WarehouseTests): void {
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
        const looking = at.warehouse.lookup({
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
      const base = await at.warehouse.version()
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
      const scanned = await at.warehouse.scan({ sql, key: ['user_id'] })
      expect(scanned.version).toBe(await at.warehouse.version())
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
      const order = (await collect(await at.warehouse.scan({ sql, key: ['user_id'] }))).map((row) => row[0])
      expect(new Set(order)).toEqual(new Set(texts))
      for (const [i, text] of [...new Set(order)].entries()) {
        const rest = await at.warehouse.scan({ sql, key: ['user_id'], after: [String(text)] })
        expect((await collect(rest)).map((row) => row[0])).toEqual(order.slice(2 * i + 2))
      }
    })

    test('MUST leave room for others when its reader walks away, again and again', async () => {
      for (let i = 0; i < 40; i++) {
        const { batches } = await at.warehouse.scan({ sql: usersOf('bulk'), key: ['user_id'] })
        for await (const _ of batches) break
      }
      expect((await lookup(usersOf('bulk1'), 'user_id', ['bulk1'])).rows).toHaveLength(1)
    })

    test('MUST keep reading the state that it began with', async () => {
      await users(['user_id'], [['state1'], ['state2']])
      const scanned = await at.warehouse.scan({ sql: usersOf('state'), key: ['user_id'] })
      const later = await users(['user_id'], [['state3']])
      expect(later.version).toBe(scanned.version + 1)
      expect((await collect(scanned)).map((row) => row[0])).toEqual(['state1', 'state2'])
    })
  })

  describe('every path', () => {
    test('MUST give the same columns, types and values for the same row', async () => {
      for (const { sql: expression, type, value } of at.subject.sql.values) {
        const sql = `SELECT 1 AS k, ${expression} AS v`
        const described = await at.warehouse.describe(sql)
        const { storage, native } = described.columns[1] ?? {}
        const column = { name: 'v', type, nullable: true, storage, native }
        expect(native !== undefined, expression).toBe(type === 'STRING')
        expect(described.columns[1], expression).toEqual(column)
        const file = await exported(sql)
        expect(file.columns[1], expression).toEqual({ ...column, nullable: value === null })
        const looked = await lookup(sql, 'k', [1])
        expect(looked.columns, expression).toEqual(described.columns)
        const scanned = await at.warehouse.scan({ sql, key: ['k'] })
        expect(scanned.columns, expression).toEqual(described.columns)
        const rows: Row[] = []
        for await (const batch of scanned.batches) rows.push(...batch)
        expect([file.rows, looked.rows, rows], expression).toEqual([[[1, value]], [[1, value]], [[1, value]]])
      }
    })

    test('MUST give the saved columns alone, as they were saved, or SCHEMA_MISMATCH with each difference', async () => {
      const sql = `SELECT 1 AS k, 'x' AS "odd; name", 2 AS n, ${at.subject.sql.values[0]?.sql} AS v`
      const { columns } = await at.warehouse.describe(sql)
      const [k, odd, n, v] = columns
      if (k === undefined || odd === undefined || n === undefined || v === undefined) throw new Error('none')
      const row = (await lookup(sql, 'k', [1])).rows[0] ?? []
      for (const saved of [columns, [v, k], [n, odd, k, v], [k]]) {
        const names = saved.map(({ name }) => name)
        const expected = saved.map((column) => row[columns.indexOf(column)])
        const file = await exported(sql, saved)
        expect(file.columns.map(({ name }) => name)).toEqual(names)
        const looked = await at.warehouse.lookup({ sql, saved, key: ['k'], values: [[1], [2]] })
        const scanned = await at.warehouse.scan({ sql, saved, key: ['k'] })
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
        () => at.warehouse.lookup({ sql, saved: other, key: ['k'], values: [[1]] }),
        () => at.warehouse.scan({ sql, saved: other, key: ['k'] }),
      ]) {
        expect(await refusal(attempt())).toMatchObject({
          code: 'SCHEMA_MISMATCH',
          details: { differences },
        })
      }
    })

    test('MUST find a row by the value that it gave for the key, whatever its type', async () => {
      const keys = at.subject.sql.values.filter(({ type }) => !['LIST', 'STRUCT', 'JSON'].includes(type))
      for (const { sql: expression, value } of keys) {
        if (value === null) continue
        const { rows } = await lookup(`SELECT ${expression} AS v`, 'v', [value])
        expect(rows, expression).toEqual([[value]])
      }
    })
  })
}
