// The part of the warehouse port's contract on exports to Parquet.

import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Opened, WarehouseTests } from './warehouse-tests.ts'

export function testExports(at: Opened, { users, lookup, usersOf, refusal, exported }: WarehouseTests): void {
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
      const path = join(at.subject.folder, 'intermediate.parquet')
      const { columns } = await at.warehouse.exportParquet({ sql, path, isIntermediate: true })
      const { rows } = await at.parquet.read(path, { columns })
      expect(rows).toEqual((await exported(sql)).rows)
      expect(rows.length).toBeGreaterThan(0)
    })

    test('SHOULD keep the order that the statement asks for', async () => {
      const { rows } = await exported(`${usersOf('bulk')} ORDER BY user_id DESC`)
      const ids = rows.map((row) => String(row[0]))
      expect(ids).toEqual([...ids].sort().reverse())
    })

    test('MUST leave nothing behind when the statement fails as it runs', async () => {
      const before = await readdir(at.subject.folder)
      const sql = 'SELECT CAST(user_id AS INTEGER) AS number FROM feature_store.users'
      const path = join(at.subject.folder, 'failed.parquet')
      expect((await refusal(at.warehouse.exportParquet({ sql, path }))).code).toBe('INVALID_SQL')
      expect(await readdir(at.subject.folder)).toEqual(before)
    })

    test('MUST stop at once when aborted, leave nothing, and go on with other work meanwhile', async () => {
      const controller = new AbortController()
      const path = join(at.subject.folder, 'slow.parquet')
      const slow = at.warehouse.exportParquet({ sql: at.subject.sql.slow, path, signal: controller.signal })
      expect((await lookup(usersOf('bulk1'), 'user_id', ['bulk1'])).rows).toHaveLength(1)
      const reason = new Error('enough')
      const startedMs = performance.now()
      controller.abort(reason)
      await expect(slow).rejects.toBe(reason)
      expect(performance.now() - startedMs).toBeLessThan(10_000)
      await expect(access(path)).rejects.toThrow()
    })

    test('MUST reject at once when it is aborted before it begins', async () => {
      const path = join(at.subject.folder, 'never.parquet')
      const reason = new Error('never')
      const signal = AbortSignal.abort(reason)
      await expect(at.warehouse.exportParquet({ sql: at.subject.sql.slow, path, signal })).rejects.toBe(
        reason,
      )
    })

    test('MUST answer lookups while as many exports run as there may be', async () => {
      const controller = new AbortController()
      const exports = Array.from({ length: 12 }, (_, i) =>
        at.warehouse.exportParquet({
          sql: at.subject.sql.slow,
          path: join(at.subject.folder, `crowd${i}.parquet`),
          signal: controller.signal,
        }),
      )
      const ended = Promise.allSettled(exports)
      expect((await lookup(usersOf('bulk1'), 'user_id', ['bulk1'])).rows).toHaveLength(1)
      controller.abort(new Error('enough'))
      expect((await ended).every(({ status }) => status === 'rejected')).toBe(true)
    })
  })
}
