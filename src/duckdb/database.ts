// A DuckDB instance that can touch nothing but the folders it is given, with a fixed set of connections to share out.

import { mkdir, rm } from 'node:fs/promises'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { AppError } from '../errors.ts'
import { escapePath, quoteName, quoteText } from '../sql/sql-text.ts'
import {
  type Connections,
  closeAll,
  connectBarely,
  createPool,
  type Instance,
  type Lease,
  shareConnections,
} from './connections.ts'

export interface Database extends Connections {
  /** Interrupts what runs, waits for it to end, and closes. */
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** A file, or `:memory:`. */
  file: string
  memoryMb: number
  /** What may go there. */
  spillMb?: number
  /** Where intermediates that outgrow the memory go; made when missing. */
  spillFolder: string
  /** Absolute folders and files that statements of the gateway may read and write. */
  folders: readonly string[]
  files?: readonly string[]
  /** With it there are connections for work over copies of tables, whose databases in memory have names that begin so. */
  copies?: string
  /** Runs while the instance may still touch any file: to make tables and views. */
  prepare?: (connection: DuckDBConnection) => Promise<void>
  /** Hears of an error after which the instance was closed, to be opened anew. */
  onFailure?: (error: unknown) => void
}

/** What changes a statement's result, in 1.5.5; tests of generated statements look for more. */
const wrongOptimizers = [
  // Pushes a join's filter below a LIMIT, which then keeps other rows (duckdb#22924).
  'join_filter_pushdown',
  // Makes a window over a whole partition a join, in which a filter by parameters finds no row.
  'window_self_join',
]
const defaultSpillMb = 20_480
const connections = { quick: 8, slow: 16, copies: 2 }

/**
 * After an internal error the engine refuses all that follows, whoever asks. One statement must not end the gateway:
 * the instance is then closed and opened anew. What ran on it meanwhile fails, and may be tried again.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  let current = await openInstance(options)
  let failed: Instance | undefined
  let reopening: Promise<Instance> | undefined
  let closed: Promise<void> | undefined

  async function reopen(opened: Instance): Promise<Instance> {
    await opened.close(new AppError('WAREHOUSE_FAILED', 'The engine failed and is starting anew; try again.'))
    current = await openInstance(options)
    return current
  }

  function ready(): Promise<Instance> {
    if (closed === undefined && failed === current) {
      reopening ??= reopen(current).finally(() => {
        reopening = undefined
      })
    }
    return reopening ?? Promise.resolve(current)
  }

  /** Tells of the instance's end once, and begins to open it anew at once. */
  async function watch<T>(opened: Instance, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (isInvalidating(error) && opened === current && opened !== failed) {
        failed = opened
        options.onFailure?.(error)
        // Who asks next hears of a failure to open, and tries again.
        ready().catch(() => undefined)
      }
      throw error
    }
  }

  const watched = (opened: Instance, lease: Lease): Lease => ({
    ...lease,
    run: (work) => watch(opened, () => lease.run(work)),
  })

  return {
    async lease(workload, signal) {
      const opened = await ready()
      return watched(opened, await opened.lease(workload, signal))
    },
    async use(workload, signal, work) {
      const opened = await ready()
      return watch(opened, () => opened.use(workload, signal, work))
    },
    async hold() {
      const opened = await ready()
      const { lease, release } = await opened.hold()
      return { lease: async (signal) => watched(opened, await lease(signal)), release }
    },
    async write(work) {
      const opened = await ready()
      return watch(opened, () => opened.write(work))
    },
    close() {
      closed ??= (async () => {
        await reopening?.catch(() => undefined)
        await current.close(closedError())
      })()
      return closed
    },
  }
}

/** Instance by its first use, which hears of a failure to open; the next tries again. */
export function openOnUse(options: DatabaseOptions): Database {
  let opening: Promise<Database> | undefined
  let isClosed = false

  function open(): Promise<Database> {
    if (isClosed) return Promise.reject(closedError())
    opening ??= openDatabase(options).catch((error: unknown) => {
      opening = undefined
      throw error
    })
    return opening
  }

  return {
    hold: async () => (await open()).hold(),
    lease: async (...given) => (await open()).lease(...given),
    use: async (...given) => (await open()).use(...given),
    write: async (work) => (await open()).write(work),
    async close() {
      isClosed = true
      const opened = await opening?.catch(() => undefined)
      await opened?.close()
    },
  }
}

function closedError(): AppError {
  return new AppError('WAREHOUSE_FAILED', 'The engine is closed.')
}

function isInvalidating(error: unknown): boolean {
  const text = error instanceof Error ? error.message : ''
  return /"exception_type":"(?:INTERNAL|FATAL)"|database has been invalidated/.test(text)
}

async function openInstance(options: DatabaseOptions): Promise<Instance> {
  // What a process that was ended left there is of no use to anybody.
  await rm(options.spillFolder, { recursive: true, force: true })
  await mkdir(options.spillFolder, { recursive: true })
  const instance = await DuckDBInstance.create(options.file, {
    memory_limit: `${options.memoryMb}MiB`,
    temp_directory: options.spillFolder,
    max_temp_directory_size: `${options.spillMb ?? defaultSpillMb}MiB`,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
  })
  const opened: DuckDBConnection[] = []
  try {
    const writer = await connect(instance, opened)
    await writer.run("SET GLOBAL TimeZone = 'UTC'")
    await writer.run('SET GLOBAL errors_as_json = true')
    await writer.run(`SET GLOBAL disabled_optimizers = '${wrongOptimizers.join(',')}'`)
    await options.prepare?.(writer)
    const quick = createPool(await connectMany(instance, opened, connections.quick))
    const slow = createPool(await connectMany(instance, opened, connections.slow))
    const copies = createPool(await connectToCopies(instance, opened, options.copies))
    await lock(writer, options)
    return shareConnections({
      instance,
      opened,
      writer,
      quick,
      slow,
      copies,
    })
  } catch (error) {
    closeAll(instance, opened)
    throw error
  }
}

async function connect(instance: DuckDBInstance, opened: DuckDBConnection[]): Promise<DuckDBConnection> {
  const connection = await connectBarely(instance, opened)
  await connection.run('SET enable_progress_bar = true; SET enable_progress_bar_print = false')
  await connection.run('SET progress_bar_time = 0')
  return connection
}

async function lock(connection: DuckDBConnection, { folders, files = [] }: DatabaseOptions): Promise<void> {
  const list = (paths: readonly string[]) => `[${paths.flatMap(spellings).map(quoteText).join(', ')}]`
  await connection.run(`SET allowed_directories = ${list(folders)}`)
  await connection.run(`SET allowed_paths = ${list(files)}`)
  await connection.run('SET enable_external_access = false')
  await connection.run("SET allowed_configs = ['memory_limit']")
  await connection.run('SET lock_configuration = true')
}

/** The engine looks at a path both as it is written and as the file it leads to. */
function spellings(path: string): string[] {
  const escaped = escapePath(path)
  return escaped === path ? [path] : [path, escaped]
}

async function connectMany(instance: DuckDBInstance, opened: DuckDBConnection[], count: number) {
  const made: DuckDBConnection[] = []
  for (let i = 0; i < count; i++) made.push(await connect(instance, opened))
  return made
}

async function connectToCopies(
  instance: DuckDBInstance,
  opened: DuckDBConnection[],
  name: string | undefined,
): Promise<DuckDBConnection[]> {
  if (name === undefined) return []
  const made = await connectMany(instance, opened, connections.copies)
  for (const [i, connection] of made.entries()) {
    const own = quoteName(`${name}_${i}`)
    await connection.run(`ATTACH ':memory:' AS ${own}; USE ${own}`)
  }
  return made
}
