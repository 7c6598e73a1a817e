// A view is refreshed by key only where all of its tables hold the key as one type: else one's texts are not the other's.

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, onTestFinished, test } from 'vitest'
import { dataPaths } from '../../src/config/config.ts'
import { createDataFolder } from '../data-folder.ts'
import { openStack } from './stack.ts'

async function openWithTables(ddl: readonly string[]) {
  const folder = await createDataFolder('key-types')
  const file = dataPaths(folder.path).warehouse
  await mkdir(dirname(file), { recursive: true })
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  for (const statement of ['CREATE SCHEMA feature_store', ...ddl]) await connection.run(statement)
  connection.closeSync()
  instance.closeSync()
  const stack = await openStack({ folder })
  onTestFinished(() => stack.remove())
  return stack
}

test('a table that holds the key as another type of text is an obstacle, one with texts of the same kind is none', async () => {
  const stack = await openWithTables([
    'CREATE TABLE feature_store.devices (device UUID, name VARCHAR)',
    'CREATE TABLE feature_store.events (device VARCHAR, what VARCHAR)',
    "CREATE TABLE feature_store.kinds (device ENUM('a', 'b'))",
  ])
  const joined = (other: string) =>
    `SELECT e.device, e.what FROM feature_store.events e LEFT JOIN feature_store.${other} o ON e.device = o.device`
  const apart = await stack.view('apart', joined('devices'), 'device')
  expect(apart.record.refreshNote).toMatch(
    /the column device of .*devices is of type UUID, .* of type VARCHAR/,
  )
  const alike = await stack.view('alike', joined('kinds'), 'device')
  expect(alike.record.refreshNote ?? '').not.toMatch(/is of type/)
})
