// A gateway that cannot start says which setting is to blame, and of what it was made.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDataFolder } from '../data-folder.ts'

let folder: Awaited<ReturnType<typeof createDataFolder>>

beforeAll(async () => {
  folder = await createDataFolder('start')
})
afterAll(() => folder.remove())

const start = (settings: Record<string, string>) =>
  createApp(parseConfig({ PORT: '0', DATA_DIR: folder.path, ...settings }), pino({ level: 'silent' }), {
    metrics: createMetrics(),
  })

test.each([
  [{ DATA_DIR: '/proc/x' }, /^DATA_DIR: the folder \/proc\/x cannot be made \(ENOENT/],
  [{ DATA_DIR: '/etc/passwd' }, /^DATA_DIR: \/etc\/passwd is no folder/],
  [{ DATA_DIR: '/etc/passwd/x' }, /^DATA_DIR: the folder \/etc\/passwd\/x cannot be made \(ENOTDIR/],
  [{ DATASETS_DIR: '/proc/x/y' }, /^DATASETS_DIR: the folder \/proc\/x\/y cannot be made/],
])('%j', async (settings, sentence) => {
  await expect(start(settings)).rejects.toThrow(sentence)
})

test.each([
  [
    { CATALOG_URL: 'postgres://me:secret@127.0.0.1:1/db' },
    /the catalog of CATALOG_URL=postgres:\/\/me:\*\*\*@127\.0\.0\.1:1\/db: .*cannot be reached/,
  ],
  [
    { WAREHOUSE_URL: 'postgres://me:secret@127.0.0.1:1/db' },
    /the warehouse of WAREHOUSE_URL=postgres:\/\/me:\*\*\*@.*: .*cannot be reached/,
  ],
  [
    { ONLINE_URL: 'redis://:secret@127.0.0.1:1' },
    /the online store of ONLINE_URL=redis:\/\/:\*\*\*@.*: .*cannot be reached/,
  ],
  [{ WAREHOUSE_URL: 'duckdb:/proc/x/y.duckdb' }, /WAREHOUSE_URL: the folder \/proc\/x cannot be made/],
  [
    { WAREHOUSE_URL: 'duckdb:/etc/passwd' },
    /WAREHOUSE_URL=duckdb:\/etc\/passwd: .*not a valid DuckDB database file/,
  ],
])('%j', async (settings, sentence) => {
  await expect(start(settings)).rejects.toThrow(sentence)
})

test('a file of a newer DuckDB: which version it is of, and which are read', async () => {
  const file = join(folder.path, 'newer.duckdb')
  const instance = await DuckDBInstance.create(file)
  instance.closeSync()
  const bytes = await readFile(file)
  bytes.writeBigUInt64LE(999n, 12)
  bytes.writeBigUInt64LE(headerChecksum(bytes), 0)
  await writeFile(file, bytes)
  await expect(start({ WAREHOUSE_URL: `duckdb:${file}` })).rejects.toThrow(
    /^WAREHOUSE_URL: .*newer\.duckdb is of a newer DuckDB .*999.*DuckDB v1\.5\.5 reads \d+ to \d+/,
  )
})

/** Of a DuckDB file's first block, as its storage has it. */
function headerChecksum(bytes: Buffer): bigint {
  let sum = 5381n
  for (let at = 8; at < 4096; at += 8)
    sum ^= BigInt.asUintN(64, bytes.readBigUInt64LE(at) * 0xbf58476d1ce4e5b9n)
  return sum
}
