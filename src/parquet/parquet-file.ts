// Writes a SELECT into a Parquet file that appears whole or not at all, and finds which of its columns hold nulls.

import { randomUUID } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteName, quotePath, quoteText } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'

export interface WrittenFile {
  /** `nullable` as observed. */
  columns: readonly Column[]
  rowCount: bigint
}

export interface WriteRequest {
  select: string
  columns: readonly Column[]
  path: string
  /** To be read by the engine alone. */
  isIntermediate?: boolean | undefined
  /** From 0 to 1, or null. */
  onProgress?: ((fraction: number | null) => void) | undefined
  /** Awaited with the number of rows before the file takes its place; when it throws, there is no file. */
  confirm?: ((rowCount: bigint) => Promise<void>) | undefined
}

const progressIntervalMs = 100
/**
 * Compressed at level 2 rather than the engine's own 3: files of 0.95 to 1.08 of the size for 0.6 to 1 of the work, the
 * least where ids are random. A column of more different values than these is not held to see whether a dictionary would
 * pay: 0.7 to 1 of the work for up to 1.05 of the size.
 */
const writing = 'FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 2, DICTIONARY_SIZE_LIMIT 5000'
/** The encodings of Parquet's second version: 0.1 to 0.95 of the size for 0.6 to 0.95 of the work, but Spark, fastparquet and others do not read them all. */
const intermediateWriting = `${writing}, PARQUET_VERSION v2`

export async function writeParquet(
  connection: DuckDBConnection,
  request: WriteRequest,
): Promise<WrittenFile> {
  const { select, columns, path, isIntermediate, onProgress, confirm } = request
  const partial = `${path}.${randomUUID().slice(0, 8)}.part`
  const timer = onProgress && setInterval(() => onProgress(readProgress(connection)), progressIntervalMs)
  try {
    const copy = `COPY (${select}) TO ${quoteText(partial)} (${isIntermediate ? intermediateWriting : writing})`
    const rows = await (await connection.run(copy)).getRows()
    const rowCount = BigInt(String(rows[0]?.[0] ?? 0))
    await confirm?.(rowCount)
    const written = await observe(connection, partial, columns, rowCount)
    await rename(partial, path)
    return written
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  } finally {
    clearInterval(timer)
  }
}

/** How many bytes of the statement that ran stand before the SELECT. */
export const copyPrefixBytes = Buffer.byteLength('COPY (')

function readProgress(connection: DuckDBConnection): number | null {
  const { percentage } = connection.progress
  return percentage < 0 ? null : Math.min(percentage / 100, 1)
}

async function observe(
  connection: DuckDBConnection,
  path: string,
  columns: readonly Column[],
  rowCount: bigint,
): Promise<WrittenFile> {
  const nulls = await nullsByStatistics(connection, path)
  const uncounted = columns.filter(({ name, type }) => isNested(type) || !nulls.has(name))
  const counted =
    rowCount === 0n ? new Map<string, boolean>() : await nullsByCount(connection, path, uncounted)
  const observed = columns.map((column) => ({
    ...column,
    nullable: rowCount > 0n && (counted.get(column.name) ?? nulls.get(column.name) ?? true),
  }))
  return { columns: observed, rowCount }
}

/** Their statistics are of what they hold; and a JSON null is a null to whoever reads the value. */
function isNested(type: Column['type']): boolean {
  return type === 'LIST' || type === 'STRUCT' || type === 'JSON'
}

function nullTest({ name, type }: Column): string {
  const column = quoteName(name)
  return type === 'JSON' ? `${column} IS NULL OR json_type(${column}) = 'NULL'` : `${column} IS NULL`
}

/** By path within the schema, which for a column that is not nested is its name; no entry where a row group says nothing. */
async function nullsByStatistics(connection: DuckDBConnection, path: string): Promise<Map<string, boolean>> {
  const result = await connection.run(
    `SELECT path_in_schema, sum(stats_null_count) > 0 FROM parquet_metadata(${quotePath(path)})
     GROUP BY path_in_schema HAVING count(*) = count(stats_null_count)`,
  )
  return new Map((await result.getRows()).map(([name, hasNulls]) => [String(name), hasNulls === true]))
}

async function nullsByCount(
  connection: DuckDBConnection,
  path: string,
  columns: readonly Column[],
): Promise<Map<string, boolean>> {
  if (columns.length === 0) return new Map()
  const tests = columns.map((column) => `coalesce(bool_or(${nullTest(column)}), false)`)
  const result = await connection.run(`SELECT ${tests.join(', ')} FROM read_parquet(${quotePath(path)})`)
  const [row = []] = await result.getRows()
  return new Map(columns.map(({ name }, i) => [name, row[i] === true]))
}
