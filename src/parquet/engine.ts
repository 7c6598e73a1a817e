// The engine that reads and writes Parquet and runs SQL ETLs: an in-memory DuckDB, opened by its first use, that sees nothing but the folders it is given.

import { join } from 'node:path'
import type { DuckDBAppender, DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api'
import { type ColumnBatch, createColumnAppender, createRowAppender } from '../duckdb/append-rows.ts'
import { withAppender } from '../duckdb/appender.ts'
import { type Carrier, carrierOf } from '../duckdb/column-types.ts'
import { openOnUse } from '../duckdb/database.ts'
import { readChunk, readRows } from '../duckdb/decode.ts'
import { type EngineErrorContext, toAppError } from '../duckdb/engine-error.ts'
import { castList, planStatement } from '../duckdb/plan.ts'
import { quoteName, quotePath } from '../sql/sql-text.ts'
import type { Column, Frame, Row, Value } from '../values/columns.ts'
import { listScalarFunctions } from './at-once.ts'
import { runGroups } from './etl-groups.ts'
import { promiseOfEtl, type SqlPromise, type SqlPromiseRequest } from './etl-promise.ts'
import { createEtlJudge, type EtlJudge, inputTable } from './etl-statement.ts'
import { type FaultsRequest, type FileFacts, type FileFault, findFaults, readFacts } from './file-faults.ts'
import { type PackableRows, packableRows } from './packed-columns.ts'
import { copyPrefixBytes, type WrittenFile, writeParquet } from './parquet-file.ts'
import { type PlainCsvRequest, writePlainCsv } from './plain-csv.ts'

/** Cells pass as `Value`s; a column's `storage` says in which type its file holds it. */
export interface ParquetEngine {
  /** Rows in the file's order. */
  read(
    path: string,
    options: {
      columns: readonly Column[]
      offset?: number
      limit?: number
      signal?: AbortSignal | undefined
    },
  ): Promise<Frame>
  /** All rows in the file's order, in batches; reads no faster than they are taken. */
  scan(
    path: string,
    options: { columns: readonly Column[]; batchRows?: number; signal?: AbortSignal | undefined },
  ): AsyncIterable<readonly Row[]>
  /**
   * As `scan`, for another process: a batch may be packed until the next is taken. `encodeCells` tells cells of the types
   * that have no packed form. Where `isOrdered`, rows come by their columns, one after the other, nulls first, and -0 may
   * have become 0.
   */
  scanPacked(
    path: string,
    options: {
      columns: readonly Column[]
      encodeCells: (values: readonly Value[]) => string
      isOrdered?: boolean
      signal?: AbortSignal | undefined
    },
  ): AsyncIterable<PackableRows>
  /** Rejects with INVALID_SQL unless the text is one SELECT over `input` that gives the same on every run. */
  checkSql(sql: string): Promise<void>
  /** What a SQL ETL promises of its output. */
  promiseSql(request: SqlPromiseRequest): Promise<SqlPromise>
  /** Runs a SQL ETL over a whole file. `nullable` of its columns is as observed. */
  runSql(request: RunSqlRequest): Promise<WrittenFile>
  /**
   * Runs a SQL ETL on each group of rows on its own, as if each were a file of its own with the same types.
   * Results are as many and in the order of the groups; `nullable` is as observed over all of them.
   */
  runSqlGroups(request: RunSqlGroupsRequest): Promise<{ columns: Column[]; groups: Row[][] }>
  /** Runs a statement of the gateway's own, which no caller has written, over files under names. */
  runOver(request: RunOverRequest): Promise<WrittenFile>
  /** Of files that somebody else may have written. */
  readFacts(files: readonly string[], options?: { signal?: AbortSignal | undefined }): Promise<FileFacts>
  /** The values in such files that do not fit columns of a table. */
  findFaults(
    request: FaultsRequest & { signal?: AbortSignal | undefined },
  ): Promise<{ count: number; faults: FileFault[] }>
  /** Rejects where the text is not plain throughout: then another way may read it, or say what is wrong with it. */
  writePlainCsv(request: PlainCsvRequest & { signal?: AbortSignal | undefined }): Promise<WrittenFile>
  /** Writes batches of rows as one Parquet file, whole or not at all. */
  writeFrames(request: WriteRequest<readonly Row[]>): Promise<WrittenFile>
  /** The same, of batches by column. */
  writeColumns(request: WriteRequest<ColumnBatch>): Promise<WrittenFile>
  close(): Promise<void>
}

interface ScanOptions {
  columns: readonly Column[]
  isOrdered?: boolean
  signal?: AbortSignal | undefined
}

export interface RunSqlRequest {
  sql: string
  inputPath: string
  inputColumns: readonly Column[]
  outputPath: string
  signal?: AbortSignal | undefined
  onProgress?: ((fraction: number | null) => void) | undefined
}

export interface RunOverRequest extends Pick<RunSqlRequest, 'sql' | 'outputPath' | 'signal' | 'onProgress'> {
  /** Read as `temp.name`. */
  inputs: readonly { name: string; path: string; columns: readonly Column[] }[]
}

export interface RunSqlGroupsRequest {
  sql: string
  inputColumns: readonly Column[]
  groups: readonly (readonly Row[])[]
  signal?: AbortSignal | undefined
}

export interface WriteRequest<Batch> {
  path: string
  columns: readonly Column[]
  batches: AsyncIterable<Batch> | Iterable<Batch>
  signal?: AbortSignal | undefined
}

export interface ParquetEngineOptions {
  /** Absolute folders that hold the files. */
  folders: readonly string[]
  memoryMb: number
  /** What may be spilled to disk. */
  spillMb?: number
  temporaryFolder: string
}

const batchRowsByDefault = 4096

export function createParquetEngine(options: ParquetEngineOptions): ParquetEngine {
  let judge: EtlJudge | undefined
  let scalarFunctions: ReadonlySet<string> = new Set()
  const database = openOnUse({
    file: ':memory:',
    memoryMb: options.memoryMb,
    spillFolder: join(options.temporaryFolder, 'parquet'),
    ...(options.spillMb !== undefined && { spillMb: options.spillMb }),
    folders: options.folders,
    async prepare(connection) {
      judge = await createEtlJudge(connection)
      scalarFunctions = await listScalarFunctions(connection)
    },
  })
  const judgeEtl: EtlJudge = (...asked) => {
    if (judge === undefined) throw new Error('The engine is not ready')
    return judge(...asked)
  }

  async function run<T>(
    workload: 'quick' | 'slow',
    context: EngineErrorContext,
    work: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T> {
    try {
      return await database.use(workload, context.signal, work)
    } catch (error) {
      throw toAppError(error, { otherwise: 'INTERNAL', refused: 'ETL_FAILED', ...context })
    }
  }

  async function* scanChunks(
    path: string,
    { columns, isOrdered = false, signal }: ScanOptions,
  ): AsyncGenerator<{ chunk: DuckDBDataChunk; carriers: readonly Carrier[] }> {
    const lease = await database.lease('stream', signal)
    try {
      const select = `${selectFile(path, columns)}${isOrdered ? ' ORDER BY ALL NULLS FIRST' : ''}`
      const result = await lease.run(() => lease.connection.stream(select))
      const carriers = carriersOf(result)
      for (;;) {
        const chunk = await lease.run(() => result.fetchChunk())
        if (chunk === null || chunk.rowCount === 0) return
        yield { chunk, carriers }
      }
    } catch (error) {
      throw toAppError(error, { otherwise: 'INTERNAL', signal })
    } finally {
      lease.release()
    }
  }

  async function* scan(
    path: string,
    { batchRows = batchRowsByDefault, ...options }: Parameters<ParquetEngine['scan']>[1],
  ) {
    let batch: Row[] = []
    for await (const { chunk, carriers } of scanChunks(path, options)) {
      for (const row of readChunk(chunk, carriers)) batch.push(row)
      while (batch.length >= batchRows) {
        yield batch.slice(0, batchRows)
        batch = batch.slice(batchRows)
      }
    }
    if (batch.length > 0) yield batch
  }

  /** The batches may come from a scan of this engine: between them, nothing here runs. */
  async function write<Batch>(
    { path, columns, batches, signal }: WriteRequest<Batch>,
    createTarget: (appender: DuckDBAppender) => { append(batch: Batch): void },
  ): Promise<WrittenFile> {
    const { connection, run: call, release } = await database.lease('slow', signal)
    const members = columns.map(({ name, storage }) => `${quoteName(name)} ${storage}`)
    try {
      await call(() => connection.run(`CREATE OR REPLACE TEMP TABLE frames (${members.join(', ')})`))
      await withAppender(
        connection,
        { table: 'frames', schema: 'main', catalog: 'temp' },
        async (appender) => {
          const target = createTarget(appender)
          for await (const batch of batches) {
            signal?.throwIfAborted()
            target.append(batch)
          }
        },
      )
      return await call(() =>
        writeParquet(connection, { select: 'SELECT * FROM temp.frames', columns, path }),
      )
    } catch (error) {
      throw toAppError(error, { otherwise: 'INTERNAL', signal })
    } finally {
      await connection.run('DROP TABLE IF EXISTS temp.frames').catch(() => undefined)
      release()
    }
  }

  return {
    scan,

    async *scanPacked(path, { encodeCells, ...options }) {
      for await (const { chunk, carriers } of scanChunks(path, options))
        yield packableRows(chunk, { carriers, encodeCells })
    },

    read(path, { columns, offset = 0, limit, signal }) {
      return run('quick', { signal, otherwise: 'INTERNAL' }, async (connection) => {
        const page = `${limit === undefined ? '' : ` LIMIT ${BigInt(limit)}`} OFFSET ${BigInt(offset)}`
        const result = await connection.run(`${selectFile(path, columns)}${page}`)
        return { columns, rows: await readRows(result, carriersOf(result)) }
      })
    },

    checkSql(sql) {
      return run('quick', { sql }, async (connection) => void (await judgeEtl(connection, sql)))
    },

    promiseSql({ sql, ...request }) {
      return run('quick', { sql }, async (connection) =>
        promiseOfEtl(connection, await judgeEtl(connection, sql, namesOf(request.inputColumns)), request),
      )
    },

    runSql({ sql, inputPath, inputColumns, outputPath: path, signal, onProgress }) {
      const context: EngineErrorContext = { sql, signal }
      return run('slow', context, async (connection) => {
        const judged = await judgeEtl(connection, sql, namesOf(inputColumns))
        await connection.run(
          `CREATE OR REPLACE TEMP VIEW ${inputTable} AS ${selectFile(inputPath, inputColumns)}`,
        )
        try {
          const { columns, select, offsetBytes } = await planStatement(connection, judged.sql)
          context.offsetBytes = offsetBytes + copyPrefixBytes
          return await writeParquet(connection, { select, columns, path, onProgress })
        } finally {
          await connection.run(`DROP VIEW IF EXISTS temp.${inputTable}`).catch(() => undefined)
        }
      })
    },

    runOver({ sql, inputs, outputPath: path, signal, onProgress }) {
      return run('slow', { signal, otherwise: 'INTERNAL', refused: 'INTERNAL' }, async (connection) => {
        try {
          for (const { name, path: file, columns } of inputs)
            await connection.run(`CREATE TEMP VIEW ${quoteName(name)} AS ${selectFile(file, columns)}`)
          const { columns, select } = await planStatement(connection, sql)
          return await writeParquet(connection, { select, columns, path, onProgress })
        } finally {
          for (const { name } of inputs)
            await connection.run(`DROP VIEW IF EXISTS temp.${quoteName(name)}`).catch(() => undefined)
        }
      })
    },

    runSqlGroups({ sql, inputColumns, groups, signal }) {
      const context: EngineErrorContext = { sql, signal }
      return run('quick', context, async (connection) => {
        const judged = await judgeEtl(connection, sql, namesOf(inputColumns))
        return runGroups(connection, { judged, scalarFunctions, inputColumns, groups, context })
      })
    },

    readFacts: (files, { signal } = {}) =>
      run('slow', { signal, refused: 'INVALID_SQL' }, (connection) => readFacts(connection, files)),

    findFaults: ({ signal, ...request }) =>
      run('slow', { signal, refused: 'INVALID_SQL' }, (connection) => findFaults(connection, request)),

    writePlainCsv: ({ signal, ...request }) =>
      run('slow', { signal, refused: 'INVALID_SQL' }, (connection) => writePlainCsv(connection, request)),

    writeFrames: (request) =>
      write(request, (appender) =>
        createRowAppender(
          appender,
          request.columns.map(({ name }, cell) => ({ name, cell })),
        ),
      ),

    writeColumns: (request) =>
      write(request, (appender) =>
        createColumnAppender(
          appender,
          request.columns.map(({ name }) => name),
        ),
      ),

    close: database.close,
  }
}

function namesOf(columns: readonly Column[]): string[] {
  return columns.map(({ name }) => name)
}

function selectFile(path: string, columns: readonly Column[]): string {
  return `SELECT ${castList(columns)} FROM read_parquet(${quotePath(path)})`
}

function carriersOf(result: { columnTypes(): readonly Parameters<typeof carrierOf>[0][] }): Carrier[] {
  return result.columnTypes().map(carrierOf)
}
