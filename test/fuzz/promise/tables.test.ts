// What the fuzzer of the promise writes is what tables take: else it would stop at its own rows, for some seeds.

import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import { checkRows, findIngestTable } from '../../../src/publish/ingest.ts'
import type { Warehouse } from '../../../src/warehouse/port.ts'
import { startPostgres } from '../../servers/postgres.ts'
import { createWarehouseFolder } from '../../warehouse/open-duckdb.ts'
import { createPostgresWarehouseFolder } from '../../warehouse/open-postgres.ts'
import { type EngineName, keyKinds } from './tables.ts'

function creation(engine: EngineName): string[] {
  const tables = keyKinds[engine].map(
    ({ type }, i) => `CREATE TABLE feature_store.keys_${i} (user_id ${type})`,
  )
  return ['CREATE SCHEMA feature_store', ...tables]
}

async function expectTaken(engine: EngineName, warehouse: Warehouse) {
  const tables = await warehouse.tables()
  for (const [i, { type, written }] of keyKinds[engine].entries()) {
    const table = findIngestTable(tables, `keys_${i}`)
    for (const user_id of written)
      await expect(
        checkRows(table, [{ user_id }]),
        `${type} of ${JSON.stringify(user_id)}`,
      ).resolves.toBeDefined()
  }
}

test('DuckDB takes every key that is written', async () => {
  const folder = await createWarehouseFolder()
  const instance = await DuckDBInstance.create(join(folder.folder, 'warehouse.duckdb'))
  const connection = await instance.connect()
  for (const statement of creation('duckdb')) await connection.run(statement)
  connection.closeSync()
  instance.closeSync()
  const warehouse = await folder.open()
  try {
    await expectTaken('duckdb', warehouse)
  } finally {
    await warehouse.close()
    await folder.remove()
  }
})

test('PostgreSQL takes every key that is written', async () => {
  const server = await startPostgres()
  const folder = await createPostgresWarehouseFolder(server.url, creation('postgres').join(';'))
  const warehouse = await folder.open()
  try {
    await expectTaken('postgres', warehouse)
  } finally {
    await warehouse.close()
    await folder.remove()
    await server.stop()
  }
})
