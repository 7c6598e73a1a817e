// A DuckDB instance that can touch nothing but the folders it is given, with a fixed set of connections to share out.

import { mkdir } from 'node:fs/promises'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { AppError } from '../errors.ts'
import { quoteText } from './sql-text.ts'

/** Quick work never waits behind slow work for a connection. */
export type Lane = 'quick' | 'slow'

export interface Lease {
  connection: DuckDBConnection
  /** Runs the work; an abort of the signal interrupts the engine until the work has ended. */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>
  release(): void
}

export interface Database {
  lease(lane: Lane, signal?: AbortSignal): Promise<Lease>
  /** Leases a connection for the time of the work. */
  use<T>(
    lane: Lane,
    signal: AbortSignal | undefined,
    work: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T>
  /** A connection of its own, taken before the settings were locked. */
  writer: DuckDBConnection
  /** Interrupts what runs, waits for it to end, and closes. */
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** A file, or `:memory:`. */
  file: string
  memoryMb: number
  /** Where intermediates that outgrow the memory go; made when missing. */
  spillFolder: string
  /** Absolute folders and files that statements of the gateway may read and write. */
  folders: readonly string[]
  files?: readonly string[]
  connections: Record<Lane, number>
  /** Runs while the instance may still touch any file: to make tables and views. */
  prepare?: (connection: DuckDBConnection) => Promise<void>
}

const interruptIntervalMs = 10

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  await mkdir(options.spillFolder, { recursive: true })
  const instance = await DuckDBInstance.create(options.file, {
    memory_limit: `${options.memoryMb}MiB`,
    temp_directory: options.spillFolder,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
  })
  const opened: DuckDBConnection[] = []
  try {
    const writer = await connect(instance, opened)
    await writer.run("SET GLOBAL TimeZone = 'UTC'")
    await writer.run('SET GLOBAL errors_as_json = true')
    await options.prepare?.(writer)
    const lanes = {
      quick: await createLane(instance, opened, options.connections.quick),
      slow: await createLane(instance, opened, options.connections.slow),
    }
    await lock(writer, options)
    return createDatabase(writer, lanes, () => closeAll(instance, opened))
  } catch (error) {
    closeAll(instance, opened)
    throw error
  }
}

async function connect(instance: DuckDBInstance, opened: DuckDBConnection[]): Promise<DuckDBConnection> {
  const connection = await instance.connect()
  opened.push(connection)
  await connection.run('SET enable_progress_bar = true; SET enable_progress_bar_print = false')
  await connection.run('SET progress_bar_time = 0')
  return connection
}

async function lock(connection: DuckDBConnection, { folders, files = [] }: DatabaseOptions): Promise<void> {
  const list = (paths: readonly string[]) => `[${paths.map(quoteText).join(', ')}]`
  await connection.run(`SET allowed_directories = ${list(folders)}`)
  await connection.run(`SET allowed_paths = ${list(files)}`)
  await connection.run('SET enable_external_access = false')
  await connection.run('SET lock_configuration = true')
}

function closeAll(instance: DuckDBInstance, connections: DuckDBConnection[]): void {
  for (const connection of connections.splice(0)) connection.closeSync()
  instance.closeSync()
}

interface LanePool {
  idle: DuckDBConnection[]
  waiting: ((connection: DuckDBConnection) => void)[]
}

async function createLane(
  instance: DuckDBInstance,
  opened: DuckDBConnection[],
  size: number,
): Promise<LanePool> {
  const idle: DuckDBConnection[] = []
  for (let i = 0; i < size; i++) idle.push(await connect(instance, opened))
  return { idle, waiting: [] }
}

function createDatabase(
  writer: DuckDBConnection,
  lanes: Record<Lane, LanePool>,
  closeConnections: () => void,
): Database {
  const closing = new AbortController()
  const leased = new Set<Promise<void>>()
  let closed: Promise<void> | undefined

  function take({ idle, waiting }: LanePool, signal: AbortSignal): Promise<DuckDBConnection> {
    const free = idle.pop()
    if (free !== undefined) return Promise.resolve(free)
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        waiting.splice(waiting.indexOf(receive), 1)
        reject(signal.reason)
      }
      const receive = (connection: DuckDBConnection) => {
        signal.removeEventListener('abort', onAbort)
        resolve(connection)
      }
      waiting.push(receive)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  function giveBack({ idle, waiting }: LanePool, connection: DuckDBConnection) {
    const next = waiting.shift()
    if (next === undefined) idle.push(connection)
    else next(connection)
  }

  async function lease(lane: Lane, signal?: AbortSignal): Promise<Lease> {
    const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
    either.throwIfAborted()
    const connection = await take(lanes[lane], either)
    const { promise, resolve } = Promise.withResolvers<void>()
    leased.add(promise)
    return {
      connection,
      run: (work, inner) =>
        interruptible(connection, work, inner === undefined ? either : AbortSignal.any([inner, either])),
      release() {
        if (!leased.delete(promise)) return
        giveBack(lanes[lane], connection)
        resolve()
      },
    }
  }

  async function close() {
    closing.abort(new AppError('WAREHOUSE_FAILED', 'The engine is closed.'))
    await Promise.all(leased)
    closeConnections()
  }

  return {
    writer,
    lease,
    async use(lane, signal, work) {
      const { connection, run, release } = await lease(lane, signal)
      try {
        return await run(() => work(connection))
      } finally {
        release()
      }
    },
    close() {
      closed ??= close()
      return closed
    },
  }
}

/** Interrupts again and again: an interrupt that comes before a statement has begun is lost. */
async function interruptible<T>(
  connection: DuckDBConnection,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted()
  let timer: NodeJS.Timeout | undefined
  const onAbort = () => {
    connection.interrupt()
    timer = setInterval(() => connection.interrupt(), interruptIntervalMs)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await work()
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
    clearInterval(timer)
  }
}
