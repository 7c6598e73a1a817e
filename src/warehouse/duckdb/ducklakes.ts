// DuckLakes: each is a catalog, which is a DuckDB file, and the tables in it.

import { copyFile, mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteName, quoteText } from '../../sql/sql-text.ts'
import { isUnchanged, type Looked, lookAt } from './file-states.ts'
import type { Mount } from './mount.ts'

export type Run = <T>(work: (connection: DuckDBConnection) => Promise<T>) => Promise<T>

interface Attached extends Looked {
  mounts: readonly Mount[]
  /** The names under which the engine has it: this one's and the one's before, which statements may still read. */
  aliases: readonly string[]
}

const maxCopies = 5

/** Its catalog is a DuckDB file, which the engine would keep from those who write it: a copy is read, made anew after each change. */
export function createDucklakes(run: Run, copies: string) {
  const attached = new Map<string, Attached>()
  let made = 0

  async function copy(file: string, to: string): Promise<Looked> {
    const paths = [file, `${file}.wal`]
    await mkdir(copies, { recursive: true })
    for (let tries = 0; tries < maxCopies; tries++) {
      const states = await lookAt(paths)
      await copyFile(file, to)
      await rm(`${to}.wal`, { force: true })
      if (states[1] != null) await copyFile(`${file}.wal`, `${to}.wal`).catch(() => undefined)
      const now = await lookAt(paths)
      if (states.every((state, i) => isUnchanged(state, now[i] ?? null))) return { paths, states }
    }
    throw new Error('its catalog is written to without a pause')
  }

  async function attach(path: string, before: Attached | undefined): Promise<Attached> {
    if (!(await stat(path)).isFile()) throw new Error('a DuckLake is named by the DuckDB file of its catalog')
    made += 1
    const alias = `gateway_lake_${made}`
    const to = join(copies, `${alias}.ducklake`)
    const looked = await copy(path, to)
    const tables = await run(async (connection) => {
      await connection.run(`ATTACH ${quoteText(`ducklake:${to}`)} AS ${alias} (READ_ONLY)`)
      const [, older] = before?.aliases ?? []
      if (older !== undefined) await connection.run(`DETACH ${older}`)
      const result = await connection.run(
        `SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = '${alias}' ORDER BY ALL`,
      )
      return result.getRows()
    })
    const mounts = tables.map(([schema, table]) => ({
      ...looked,
      name: schema === 'main' ? String(table) : `${schema}.${table}`,
      path,
      relation: `${alias}.${quoteName(String(schema))}.${quoteName(String(table))}`,
    }))
    return { ...looked, mounts, aliases: [alias, ...(before?.aliases.slice(0, 1) ?? [])] }
  }

  return async (path: string): Promise<readonly Mount[]> => {
    const before = attached.get(path)
    const now = await lookAt([path, `${path}.wal`])
    if (before?.states.every((state, i) => isUnchanged(state, now[i] ?? null))) return before.mounts
    const next = await attach(path, before)
    attached.set(path, next)
    return next.mounts
  }
}
