// What stands in Parquet files that somebody else has written: their columns, how much they hold, and the values that do not fit a table's columns.

import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteName, quotePath } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'
import { testOf } from './fitting.ts'

export interface FileColumn {
  name: string
  /** In the engine's words. */
  type: string
}

export interface FileFacts {
  columns: FileColumn[]
  rowCount: number
}

export interface FileFault {
  /** From 0. */
  row: number
  column: string
  given: { type: string; text: string | null }
}

export interface FaultsRequest {
  /** Of one form, their rows one after the other. */
  files: readonly string[]
  /** A table's columns, and what type the files have of each. */
  columns: readonly { column: Column; type: string }[]
  /** So many are told, all are counted. */
  limit: number
}

const longestText = 100

export function readFiles(files: readonly string[]): string {
  return `read_parquet([${files.map(quotePath).join(', ')}])`
}

export async function readFacts(connection: DuckDBConnection, files: readonly string[]): Promise<FileFacts> {
  const described = await (await connection.run(`DESCRIBE SELECT * FROM ${readFiles(files)}`)).getRows()
  const counted = await (
    await connection.run(
      `SELECT sum(num_rows)::VARCHAR FROM parquet_file_metadata([${files.map(quotePath).join(', ')}])`,
    )
  ).getRows()
  return {
    columns: described.map(([name, type]) => ({ name: String(name), type: String(type) })),
    rowCount: Number(counted[0]?.[0] ?? 0),
  }
}

interface Tested {
  name: string
  type: string
  test: string
}

export async function findFaults(
  connection: DuckDBConnection,
  { files, columns, limit }: FaultsRequest,
): Promise<{ count: number; faults: FileFault[] }> {
  const tested = columns.flatMap(({ column, type }): Tested[] => {
    const tests = [
      ...(column.nullable ? [] : [`${quoteName(column.name)} IS NOT NULL`]),
      ...[testOf(column.name, type, column.storage)].filter((test) => test !== null),
    ]
    return tests.length === 0 ? [] : [{ name: column.name, type, test: tests.join(' AND ') }]
  })
  if (tested.length === 0) return { count: 0, faults: [] }
  const counts = tested.map(({ test }) => `count(*) FILTER (WHERE NOT (${test}))`)
  const counted = await connection.run(`SELECT (${counts.join(' + ')})::VARCHAR FROM ${readFiles(files)}`)
  const count = Number((await counted.getRows())[0]?.[0] ?? 0)
  return { count, faults: count === 0 ? [] : await readFaults(connection, { files, tested, limit }) }
}

async function readFaults(
  connection: DuckDBConnection,
  { files, tested, limit }: { files: readonly string[]; tested: readonly Tested[]; limit: number },
): Promise<FileFault[]> {
  const cells = tested.flatMap(({ name, test }) => [
    `NOT (${test})`,
    `left(CAST(${quoteName(name)} AS VARCHAR), ${longestText})`,
  ])
  const named = cells.map((cell, i) => `${cell} AS c${i}`)
  const anyFault = tested.map((_, i) => `c${2 * i}`).join(' OR ')
  const rows = await (
    await connection.run(
      `SELECT n::VARCHAR, ${cells.map((_, i) => `c${i}`).join(', ')} FROM (
        SELECT row_number() OVER () - 1 AS n, ${named.join(', ')} FROM ${readFiles(files)})
       WHERE ${anyFault} ORDER BY n LIMIT ${limit}`,
    )
  ).getRows()
  const all = rows.flatMap(([row, ...found]) =>
    tested.flatMap(({ name, type }, i): FileFault[] => {
      if (found[2 * i] !== true) return []
      const text = found[2 * i + 1] ?? null
      return [{ row: Number(row), column: name, given: { type, text: text === null ? null : String(text) } }]
    }),
  )
  return all.slice(0, limit)
}
