// A stream of CSV into a Parquet file: the engine reads it from a named pipe, so that neither memory nor disk holds it.

import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { constants, open } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { openDatabase } from '../duckdb/database.ts'
import { toAppError } from '../duckdb/engine-error.ts'
import { AppError } from '../errors.ts'
import { quoteName, quotePath, quoteText } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'
import { createFileReader, type FileReader } from './file-reader.ts'
import { type WrittenFile, writeParquet } from './parquet-file.ts'

export interface CsvColumn extends Column {
  /**
   * The engine's expression that makes the value out of its text, which stands under the column's name; null where the
   * engine's own reading of the storage type will do, which spares the text.
   */
  load: string | null
}

export interface CsvRequest {
  columns: readonly CsvColumn[]
  /**
   * UTF-8 without a header: commas, doubled quotes, lines ending in \n; a null is an empty field, an empty text `""`.
   * Of a single column, a second field must follow on each line. Ended or destroyed when the call returns.
   */
  source: Readable
  path: string
  isIntermediate?: boolean | undefined
  /** How many rows the source has given, once it has ended: the file appears only if as many arrived. */
  rowCount: () => number | Promise<number>
  signal?: AbortSignal | undefined
}

export interface CsvWriter {
  /** Writes the file whole or not at all; `nullable` is as observed. */
  write(request: CsvRequest): Promise<WrittenFile>
  /** The other way, by the same engine. */
  files: FileReader
  close(): Promise<void>
}

/** A row may be as long as this. */
const longestLineBytes = 16 * 1024 * 1024
/** As much waits for the pipe: while the engine parses what it has read, which is so many bytes, it reads nothing, and the source goes on. */
const waitingBytes = 2 * longestLineBytes
const openIntervalMs = 2

export async function createCsvWriter(options: {
  /** Absolute folders that the files are written to. */
  folders: readonly string[]
  temporaryFolder: string
  memoryMb: number
}): Promise<CsvWriter> {
  const pipes = join(options.temporaryFolder, 'pipes')
  await mkdir(pipes, { recursive: true })
  const database = await openDatabase({
    file: ':memory:',
    memoryMb: options.memoryMb,
    spillFolder: join(options.temporaryFolder, 'csv'),
    folders: [pipes, ...options.folders],
  })

  async function write({
    columns,
    source,
    path,
    isIntermediate,
    rowCount,
    signal,
  }: CsvRequest): Promise<WrittenFile> {
    const pipe = join(pipes, `${randomUUID()}.csv`)
    try {
      await promisify(execFile)('mkfifo', ['-m', '600', pipe])
      return await database.use('slow', signal, async (connection) => {
        let isRead = true
        const feeding = feed(source, pipe, () => isRead, signal)
        // Asked for below, once the engine is done; a source that breaks before then is not left unheard.
        feeding.catch(() => undefined)
        const confirm = async (arrived: bigint) => {
          await feeding
          const sent = await rowCount()
          if (arrived !== BigInt(sent)) throw longRow(new Error(`Of ${sent} rows only ${arrived} arrived`))
        }
        const select = `SELECT ${columns.map(({ name, load }) => `${load ?? quoteName(name)} AS ${quoteName(name)}`).join(', ')} FROM ${readPipe(pipe, columns)}`
        try {
          return await writeParquet(connection, {
            select,
            columns: columns.map(toColumn),
            path,
            isIntermediate,
            confirm,
          })
        } catch (error) {
          isRead = false
          source.destroy()
          // What broke the source says more than what the engine made of half a file.
          await feeding.catch((cause: unknown) => {
            if (!isOfClosedPipe(cause)) throw cause
          })
          throw error
        } finally {
          isRead = false
        }
      })
    } catch (error) {
      throw toAppError(isOfLongLine(error) ? longRow(error) : error, { signal })
    } finally {
      source.destroy()
      await rm(pipe, { force: true })
    }
  }

  return { write, files: createFileReader(database, pipes), close: database.close }
}

function toColumn({ load, ...column }: CsvColumn): Column {
  return column
}

function readPipe(pipe: string, columns: readonly CsvColumn[]): string {
  const types = columns.map(({ name, load, storage }) => [name, load === null ? storage : 'VARCHAR'] as const)
  const all = columns.length === 1 ? [...types, ['\u0001', 'VARCHAR'] as const] : types
  const list = all.map(([name, type]) => `${quoteText(name)}: ${quoteText(type)}`)
  return `read_csv(${quotePath(pipe)}, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', new_line = '\\n',
    nullstr = '', allow_quoted_nulls = false, max_line_size = ${longestLineBytes}, buffer_size = ${longestLineBytes},
    columns = {${list.join(', ')}})`
}

/** The engine waits for a writer as it opens the pipe; a writer that comes too early is refused. */
async function feed(
  source: Readable,
  pipe: string,
  isRead: () => boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const fd = await openForWriting(pipe, isRead)
  if (fd === null) return
  const options = { fd, readable: false, writable: true, writableHighWaterMark: waitingBytes }
  const socket = new Socket(options)
  const stop = () => socket.destroy()
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
  try {
    await pipeline(source, socket)
  } finally {
    signal?.removeEventListener('abort', stop)
    if (!socket.closed) {
      socket.destroy()
      await once(socket, 'close')
    }
  }
}

async function openForWriting(pipe: string, isRead: () => boolean): Promise<number | null> {
  while (isRead()) {
    try {
      return await promisify(open)(pipe, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
      await delay(openIntervalMs)
    }
  }
  return null
}

function isOfClosedPipe(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ABORT_ERR'
}

/** The engine's own text shows the row, and where the pipe is. */
function isOfLongLine(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Maximum line size')
}

/** Of rows that did not arrive, it is the only reason known. */
function longRow(cause: unknown): AppError {
  const message = `A row is longer than ${longestLineBytes / 1024 / 1024} MB, the longest that is taken from this warehouse. Ask for shorter values.`
  return new AppError('TOO_LARGE', message, { cause })
}
