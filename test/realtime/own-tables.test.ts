// Views of tables of a user's own: whatever the engine makes of the keys, after each ingest a lookup gives what the warehouse holds.

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, expect, test } from 'vitest'
import { dataPaths } from '../../src/config.ts'
import { ingest, type OwnKey } from '../contract/own-tables.ts'
import { createDataFolder } from '../data-folder.ts'
import { startPostgres } from '../servers/postgres.ts'
import * as duckdb from '../warehouse/duckdb-own-keys.ts'
import { execute } from '../warehouse/open-postgres.ts'
import * as postgres from '../warehouse/postgres-own-keys.ts'
import { openStack, type Stack } from './stack.ts'

const closing: (() => Promise<void>)[] = []

afterAll(async () => {
  for (const close of closing.reverse()) await close()
})

async function onDuckdb(): Promise<Stack> {
  const folder = await createDataFolder('own-tables')
  const file = dataPaths(folder.path).warehouse
  await mkdir(dirname(file), { recursive: true })
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  await connection.run('CREATE SCHEMA feature_store')
  for (const { name, columns } of duckdb.keys)
    await connection.run(`CREATE TABLE feature_store.${name} (${columns})`)
  connection.closeSync()
  instance.closeSync()
  return openStack({ folder })
}

async function onPostgres(): Promise<Stack> {
  const server = await startPostgres()
  closing.push(server.stop)
  await execute(server.url, [postgres.types, ...postgres.keys.map(({ ddl }) => ddl)].join(';\n'))
  return openStack({ warehouseUrl: server.url })
}

async function followKeys(stack: Stack, keys: readonly OwnKey[]) {
  closing.push(() => stack.remove())
  let byKey = 0
  for (const { name, rows, stored, others = [] } of keys) {
    const views = new Map<string, Awaited<ReturnType<Stack['view']>> & { sql: string }>()
    const key = rows.some((row) => 'K' in row) ? 'K' : 'k'
    for (const table of [name, ...others]) {
      const sql = `SELECT "${key}", count(*) AS n FROM feature_store.${table} GROUP BY "${key}"`
      views.set(table, { sql, ...(await stack.view(`of ${table} for ${name}`, sql, key)) })
    }
    // Once the keys are served, more rows of them come, then the same again as after a kill.
    for (const jobId of ['first', 'second', 'second']) {
      const keysRead = await stack.realtime.keysRead([name])
      expect(keysRead[0]?.columns.every((column) => column === 'k')).toBe(true)
      await stack.realtime.onAppended(await ingest(stack.warehouse, name, rows, `${name} ${jobId}`))
      for (const [table, { sql, target, record }] of views) {
        const results = await stack.expectTraining(target, sql)
        const isTold = table === name && stored !== null && jobId === 'first'
        if (!isTold || record.refresh !== 'BY_KEY') continue
        byKey++
        expect(results.every(({ source }) => source === 'ONLINE')).toBe(true)
      }
    }
  }
  return byKey
}

test('on DuckDB', async () => {
  const byKey = await followKeys(await onDuckdb(), duckdb.keys)
  expect(byKey).toBeGreaterThan(8)
})

test('on PostgreSQL', async () => {
  const byKey = await followKeys(await onPostgres(), postgres.keys)
  expect(byKey).toBeGreaterThan(15)
})
