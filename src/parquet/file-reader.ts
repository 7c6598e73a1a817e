// Parquet files for a warehouse that is another server: as CSV, which the engine writes into a named pipe, or as rows.

import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { constants, open } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { carrierOf } from '../duckdb/column-types.ts'
import type { Database } from '../duckdb/database.ts'
import { readChunk } from '../duckdb/decode.ts'
import { toAppError } from '../duckdb/engine-error.ts'
import { castList } from '../duckdb/plan.ts'
import { quotePath } from '../sql/sql-text.ts'
import type { Column, Row } from '../values/columns.ts'
import { distinctValues } from './distinct-values.ts'
import { readFiles } from './file-faults.ts'

export interface FileReader {
  /**
   * Has `read` take the files' rows, in any order, as CSV without a header: an expression of the engine for each column, a null as an
   * empty field, a text always in quotes.
   */
  csv(
    files: readonly string[],
    expressions: readonly string[],
    read: (csv: Readable) => Promise<void>,
  ): Promise<void>
  rows(files: readonly string[], columns: readonly Column[]): AsyncIterable<readonly Row[]>
  distinct(request: Parameters<typeof distinctValues>[1]): Promise<readonly Row[] | null>
}

const waitingBytes = 4 * 1024 * 1024
const rowsPerBatch = 8192

export function createFileReader(database: Database, pipesFolder: string): FileReader {
  async function csv(
    files: readonly string[],
    expressions: readonly string[],
    read: (csv: Readable) => Promise<void>,
  ): Promise<void> {
    const pipe = join(pipesFolder, `${randomUUID()}.csv`)
    await promisify(execFile)('mkfifo', ['-m', '600', pipe])
    // Opened first, and without waiting for the writer, who may never come.
    const fd = await promisify(open)(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    const options = { fd, readable: true, writable: false, readableHighWaterMark: waitingBytes }
    const socket = new Socket(options)
    socket.on('error', () => undefined)
    const giveUp = new AbortController()
    const names = expressions.map((expression, i) => `${expression} AS c${i}`).join(', ')
    const forced = expressions.map((_, i) => `c${i}`).join(', ')
    // In order the engine would hold, of what its threads are ahead with, as much as its memory takes.
    const copy = `COPY (SELECT ${names} FROM ${readFiles(files)}) TO ${quotePath(pipe)}
      (FORMAT csv, HEADER false, NULLSTR '', FORCE_QUOTE (${forced}), USE_TMP_FILE false, PRESERVE_ORDER false)`
    let failure: unknown
    const writing = database
      .use('slow', giveUp.signal, (connection) => connection.run(copy))
      .catch((error: unknown) => {
        if (!giveUp.signal.aborted) failure = toAppError(error, { refused: 'BAD_USER_INPUT' })
        socket.destroy(error instanceof Error ? error : undefined)
      })
    try {
      await read(socket)
    } catch (error) {
      giveUp.abort(error)
      await writing
      // Of the two ends, the one that failed first says why.
      throw failure ?? error
    } finally {
      await writing
      socket.destroy()
      await rm(pipe, { force: true })
    }
    if (failure !== undefined) throw failure
  }

  async function* rows(files: readonly string[], columns: readonly Column[]) {
    const lease = await database.lease('stream')
    try {
      const result = await lease.run(() =>
        lease.connection.stream(`SELECT ${castList(columns)} FROM ${readFiles(files)}`),
      )
      const carriers = result.columnTypes().map(carrierOf)
      let batch: Row[] = []
      for (;;) {
        const chunk = await lease.run(() => result.fetchChunk())
        if (chunk === null || chunk.rowCount === 0) break
        for (const row of readChunk(chunk, carriers)) batch.push(row)
        if (batch.length < rowsPerBatch) continue
        yield batch
        batch = []
      }
      if (batch.length > 0) yield batch
    } catch (error) {
      throw toAppError(error, { refused: 'BAD_USER_INPUT' })
    } finally {
      lease.release()
    }
  }

  return {
    csv,
    rows,
    distinct: (request) =>
      database.use('slow', undefined, (connection) => distinctValues(connection, request)),
  }
}
