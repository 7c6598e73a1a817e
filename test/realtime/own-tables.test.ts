// Views of tables of a user's own: whatever the engine makes of the keys, after each ingest a lookup gives what the warehouse holds.

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataPaths } from '../../src/config/config.ts'
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

/** Of rows that go in for the first time: how often a view is served online what it was told. */
async function follow(
  stack: Stack,
  { name, rows, stored, toldAgain = true, others = [] }: OwnKey,
): Promise<number> {
  const views = new Map<string, Awaited<ReturnType<Stack['view']>> & { sql: string }>()
  const key = rows.some((row) => 'K' in row) ? 'K' : 'k'
  for (const table of [name, ...others]) {
    const sql = `SELECT "${key}", count(*) AS n FROM feature_store.${table} GROUP BY "${key}"`
    views.set(table, { sql, ...(await stack.view(`of ${table} for ${name}`, sql, key)) })
  }
  let byKey = 0
  // Once the keys are served, more rows of them come, then the same again as after a kill.
  for (const jobId of ['first', 'second', 'second']) {
    await stack.realtime.onAppended(await ingest(stack.warehouse, name, rows, `${name} ${jobId}`))
    for (const [table, { sql, target, record }] of views) {
      const results = await stack.expectTraining(target, sql)
      // A view counts as one of its table's parts and wholes too.
      const isMixed = others.some((other) => record.tables.includes(`feature_store.${other}`)) && !toldAgain
      const isTold = table === name && stored !== null && jobId === 'first' && !isMixed
      if (!isTold || record.refresh !== 'BY_KEY') continue
      byKey++
      expect(results.every(({ source }) => source === 'ONLINE')).toBe(true)
    }
  }
  return byKey
}

describe.each([
  { engine: 'DuckDB', open: onDuckdb, keys: duckdb.keys, byKeyAtLeast: 9 },
  { engine: 'PostgreSQL', open: onPostgres, keys: postgres.keys, byKeyAtLeast: 15 },
])('on $engine', ({ open, keys, byKeyAtLeast }) => {
  let stack: Stack
  let byKey = 0

  beforeAll(async () => {
    stack = await open()
    closing.push(() => stack.remove())
  })

  test.for<OwnKey>(keys)('lookups follow $name', async (own) => {
    byKey += await follow(stack, own)
  })

  test('most of them by key', () => {
    expect(byKey).toBeGreaterThanOrEqual(byKeyAtLeast)
  })
})
