// What files tell of their changes: their times and sizes, held against those that were seen last, which the warehouse itself keeps.

import { createHash } from 'node:crypto'
import type { DuckDBConnection } from '@duckdb/node-api'
import { internalSchema } from '../port.ts'
import type { Mount } from './mount.ts'
import type { Found } from './mounts.ts'
import { filesSchema } from './schema.ts'

const place = `${internalSchema}.file_sign`

export async function createSigns(connection: DuckDBConnection): Promise<void> {
  await connection.run(`CREATE TABLE IF NOT EXISTS ${place} (name VARCHAR PRIMARY KEY, sign VARCHAR)`)
}

/** By the name of each mounted table, what tells its present state from every other. */
export function signsOf({ mounts }: Found): Map<string, string> {
  return new Map(mounts.map((mount) => [mount.name, signOf(mount)]))
}

/** What comes to a folder and is no file of the table is left out, and the birth of files, which some file systems tell anew. */
function signOf({ paths, states, version = '' }: Mount): string {
  const hash = createHash('sha256').update(`${version}\n`)
  for (const [i, state] of states.entries()) {
    if (state?.isFolder) continue
    hash.update(`${paths[i]}\0${state?.ino} ${state?.size} ${state?.mtimeNs} ${state?.ctimeNs}\n`)
  }
  return hash.digest('base64')
}

export async function readSigns(connection: DuckDBConnection): Promise<Map<string, string>> {
  const rows = await (await connection.run(`SELECT name, sign FROM ${place}`)).getRows()
  return new Map(rows.map(([name, sign]) => [String(name), String(sign)]))
}

export async function writeSigns(
  connection: DuckDBConnection,
  signs: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [name, sign] of signs)
    await connection.run(`INSERT OR REPLACE INTO ${place} VALUES ($1::VARCHAR, $2::VARCHAR)`, [name, sign])
}

export function tableOf(name: string): string {
  return `${filesSchema}.${name}`
}
