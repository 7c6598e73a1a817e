// The part of the warehouse port's contract on rows that are appended.

import { describe, expect, test } from 'vitest'
import type { AppendRequest } from '../../src/warehouse/port.ts'
import type { Opened, WarehouseTests } from './warehouse-tests.ts'

export function testAppends(at: Opened, { users, lookup, usersOf, refusal, exported }: WarehouseTests): void {
  describe('append', () => {
    test('MUST count its version up by one for each append and none for a repeated one', async () => {
      const before = await at.warehouse.version()
      const first = await users(['user_id'], [['v1']], 'version', 1)
      const again = await users(['user_id'], [['v1'], ['v2']], 'version', 1)
      const second = await users(['user_id'], [['v2']], 'version', 2)
      expect([first, again, second]).toMatchObject([
        { applied: true, version: before + 1 },
        { applied: false, version: before + 1 },
        { applied: true, version: before + 2 },
      ])
      expect(await at.warehouse.version()).toBe(before + 2)
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
      const before = await at.warehouse.version()
      const good = { table: 'users', columns: ['user_id'], rows: [['half']] }
      const error = await refusal(
        at.warehouse.append({ jobId: 'faulty', batch: 1, tables: [good, ...faulty] }),
      )
      expect(error.code).toBe('BAD_USER_INPUT')
      expect(await at.warehouse.version()).toBe(before)
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
      const before = await at.warehouse.version()
      const appends = Array.from({ length: 20 }, (_, i) =>
        users(['user_id'], [[`many${i % 10}`]], 'many', i % 10),
      )
      const results = await Promise.all(appends)
      expect(results.filter(({ applied }) => applied)).toHaveLength(10)
      expect(await at.warehouse.version()).toBe(before + 10)
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
      await at.warehouse.append({
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
}
