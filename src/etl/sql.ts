// SQL ETLs: one SELECT over the table `input`, run by the engine that reads and writes Parquet.

import { rm } from 'node:fs/promises'
import { AppError, type ErrorCode } from '../errors.ts'
import type { SqlRunner } from '../parquet/engine-client.ts'
import type { Promised } from '../sql/determinism.ts'
import type { Column, Row } from '../values/columns.ts'
import { type Difference, mismatchError, widenToNulls } from './columns/output.ts'
import {
  type EtlGroupResult,
  type EtlInput,
  type FileRequest,
  type GroupsRequest,
  type RunnableEtl,
  type SampleResult,
  throwIfAllFailed,
} from './request.ts'

/** The engine's INVALID_SQL is an ETL's failure; its message gains the ETL's name. */
function toEtlError(error: unknown, { name }: RunnableEtl, code: ErrorCode = 'ETL_FAILED'): unknown {
  if (!(error instanceof AppError) || (error.code !== 'INVALID_SQL' && error.code !== 'ETL_FAILED'))
    return error
  const { line, column } = error.details ?? {}
  const place = line === undefined ? '' : `:${line}:${column ?? 1}`
  const verb = code === 'ETL_FAILED' ? 'failed' : 'cannot be used'
  return new AppError(code, `ETL ${name}${place} ${verb}: ${error.message}${adviceFor(error.message)}`, {
    cause: error,
    details: { ...error.details, etl: name },
  })
}

/** What to write where a total has outgrown its type. */
function adviceFor(message: string): string {
  return /Could not cast value.* to DECIMAL\(38|Overflow in (?:HUGEINT|addition of DECIMAL)/i.test(message)
    ? '. Integers and decimals have 38 digits at most: write sum(x::DOUBLE) for a rounded total, or sum(x)::VARCHAR for the digits of one up to 39'
    : ''
}

export function createSqlEtls(parquet: SqlRunner) {
  async function runEach({
    etl,
    inputColumns,
    groups,
    outputColumns,
    signal,
  }: GroupsRequest): Promise<EtlGroupResult[]> {
    const results: EtlGroupResult[] = []
    for (const group of groups) {
      try {
        const { columns, groups: rows } = await parquet.runSqlGroups({
          sql: etl.source,
          inputColumns,
          groups: [group],
          signal,
        })
        results.push(hold(etl, columns, rows[0] ?? [], outputColumns))
      } catch (error) {
        signal?.throwIfAborted()
        const failure = toEtlError(error, etl)
        if (!(failure instanceof AppError)) throw error
        results.push({ ok: false, error: failure })
      }
    }
    return results
  }

  async function runGroups(request: GroupsRequest): Promise<readonly EtlGroupResult[]> {
    const { etl, inputColumns, groups, outputColumns, signal } = request
    if (groups.length === 0) return []
    try {
      const result = await parquet.runSqlGroups({ sql: etl.source, inputColumns, groups, signal })
      return groups.map((_, i) => hold(etl, result.columns, result.groups[i] ?? [], outputColumns))
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof AppError) || groups.length === 1) {
        const failure = toEtlError(error, etl)
        if (failure instanceof AppError) return [{ ok: false, error: failure }]
        throw error
      }
      return runEach(request)
    }
  }

  return {
    async check(source: RunnableEtl): Promise<void> {
      try {
        await parquet.checkSql(source.source)
      } catch (error) {
        throw toEtlError(error, source, 'ETL_LOAD_FAILED')
      }
    },
    async promise(etl: RunnableEtl, { columns, determinism }: EtlInput): Promise<Promised> {
      try {
        const request = { sql: etl.source, inputColumns: columns, input: determinism }
        const promised = await parquet.promiseSql(request)
        return { columns: new Map(promised.columns), rows: promised.rows }
      } catch (error) {
        throw toEtlError(error, etl)
      }
    },
    async runFile({
      etl,
      inputPath,
      inputColumns,
      outputPath,
      outputColumns,
      signal,
      onProgress,
    }: FileRequest) {
      try {
        const result = await parquet.runSql({
          sql: etl.source,
          inputPath,
          inputColumns,
          outputPath,
          signal,
          onProgress: (fraction) => onProgress?.({ fraction }),
        })
        if (outputColumns !== undefined && result.rowCount > 0n) {
          const error = mismatchError(etl.name, compareColumns(outputColumns, result.columns).differences)
          if (error !== null) throw error
        }
        return { columns: [...result.columns], rowCount: result.rowCount }
      } catch (error) {
        await rm(outputPath, { force: true })
        signal?.throwIfAborted()
        throw toEtlError(error, etl)
      }
    },
    runGroups,
    /** Its statement alone says of which types they are. */
    async sample(request: GroupsRequest): Promise<SampleResult> {
      const results = await runGroups(request)
      throwIfAllFailed(results)
      const frames = results.flatMap((result) => (result.ok ? [result.frame] : []))
      const mostRows = Math.max(0, ...frames.map(({ rows }) => rows.length))
      return { columns: frames[0]?.columns ?? [], mostRows }
    },
  }
}

/** The group's rows in training's columns, or what differs. */
function hold(
  etl: RunnableEtl,
  columns: readonly Column[],
  rows: readonly Row[],
  expected: readonly Column[] | null,
): EtlGroupResult {
  if (expected === null) return { ok: true, frame: { columns: observeNulls(columns, rows), rows } }
  if (rows.length === 0) return { ok: true, frame: { columns: expected, rows } }
  const { indexes, differences } = compareColumns(expected, columns)
  const error = mismatchError(etl.name, differences)
  if (error !== null) return { ok: false, error }
  const isInOrder = indexes.every((index, i) => index === i)
  const ordered = isInOrder ? rows : rows.map((row) => indexes.map((i) => row[i] ?? null))
  return { ok: true, frame: { columns: widenToNulls(expected, ordered), rows: ordered } }
}

/** Where each expected column stands, and what is otherwise. */
function compareColumns(expected: readonly Column[], columns: readonly Column[]) {
  const differences: Difference[] = []
  const indexes = expected.map((column) => {
    const index = columns.findIndex(({ name }) => name === column.name)
    const actual = columns[index]
    const differ = (wanted: string, seen: string) =>
      differences.push({ column: column.name, expected: wanted, actual: seen })
    if (actual === undefined) differ(column.type, 'missing')
    else if (actual.type !== column.type) differ(column.type, actual.type)
    else if (actual.storage !== column.storage) differ(column.storage, actual.storage)
    return index
  })
  for (const { name, type } of columns) {
    if (!expected.some((column) => column.name === name))
      differences.push({ column: name, expected: 'not there', actual: type })
  }
  return { indexes, differences }
}

function observeNulls(columns: readonly Column[], rows: readonly Row[]): Column[] {
  return columns.map((column, i) => ({
    ...column,
    nullable: rows.length === 0 || rows.some((row) => (row[i] ?? null) === null),
  }))
}
