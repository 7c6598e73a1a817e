// What the engine keeps in memory of rows that it loads from files: little, however many they are, and its limit is what it was.

import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { withBoundedCache } from '../../src/duckdb/block-cache.ts'
import { openDatabase } from '../../src/duckdb/database.ts'
import { createDataFolder } from '../data-folder.ts'

const folder = await createDataFolder('load-memory')
const memoryMb = 512
const database = await openDatabase({
  file: join(folder.path, 'loaded.duckdb'),
  memoryMb,
  spillFolder: join(folder.path, 'spill'),
  folders: [],
})

afterAll(async () => {
  await database.close()
  await folder.remove()
})

/** Of what cannot be compressed some 16 bytes a row. */
const rows = 8_000_000

async function ask(sql: string): Promise<unknown> {
  const [row] = await database.use('quick', undefined, async (connection) =>
    (await connection.run(sql)).getRows(),
  )
  return row?.[0]
}

const heldMb = async () =>
  Number(
    await ask("SELECT sum(memory_usage_bytes) FILTER (tag = 'BASE_TABLE')::DOUBLE FROM duckdb_memory()"),
  ) /
  2 ** 20

const load = (table: string) =>
  database.write((connection) =>
    connection.run(`CREATE TABLE ${table} AS SELECT hash(n) AS a, hash(-n) AS b FROM range(${rows}) r(n)`),
  )

test('rows that are loaded do not stay in memory, and are there', { timeout: 120_000 }, async () => {
  const before = await heldMb()
  await withBoundedCache(database, memoryMb, () => load('bounded'))
  expect((await heldMb()) - before).toBeLessThan(40)
  expect(await ask('SELECT count(DISTINCT a)::DOUBLE FROM bounded')).toBe(rows)
  expect(await ask("SELECT current_setting('memory_limit')")).toBe(`${memoryMb}.0 MiB`)
})

test('without the bound they would', { timeout: 120_000 }, async () => {
  const before = await heldMb()
  await load('unbounded')
  expect((await heldMb()) - before).toBeGreaterThan(80)
})

test('nothing else of the configuration can be changed', async () => {
  await expect(ask('SET threads = 1')).rejects.toThrow(/locked/)
})
