// Files as tables: each Parquet, CSV or NDJSON file, or folder of such files, is a view of the schema `files`, kept as they are now.

import type { DuckDBConnection } from '@duckdb/node-api'
import { ConfigError } from '../../config/config-error.ts'
import { AppError, messageOf } from '../../errors.ts'
import { nameInEngine, quoteName } from '../../sql/sql-text.ts'
import { type Notice, ok, warn } from '../../telemetry/notices.ts'
import { isUnchanged, type Looked } from './file-states.ts'
import { type Found, findMounts, type Mount, type Unmounted } from './mounts.ts'
import { filesSchema } from './schema.ts'

export type { Found } from './mounts.ts'

export interface Files {
  /** Makes all views anew. What cannot be a table is a ConfigError the first time, later one of whoever asks for it. */
  open(connection: DuckDBConnection): Promise<void>
  /** What is found now, where that is other than what is mounted. */
  findChange(): Promise<Found | null>
  /** The names of the tables that are new, other or gone. */
  mount(connection: DuckDBConnection, found: Found): Promise<string[]>
  /** What stands behind a view. */
  behind(name: string): Looked
  /** Throws where a table is none for a reason. */
  refuseUnmounted(name: string): void
  notices(): Notice[]
}

const behindNothing: Looked = { paths: [], states: [] }
const maxNamed = 20

export function createFiles(entries: readonly string[]): Files {
  let found: Found = { mounts: [], unmounted: [], notTaken: [] }
  let mounted: ReadonlyMap<string, Mount> = new Map()
  let unmounted: readonly Unmounted[] = []
  let isOpened = false

  async function mount(connection: DuckDBConnection, next: Found): Promise<string[]> {
    const [now, failed] = [new Map<string, Mount>(), [...next.unmounted]]
    const changed: string[] = []
    for (const each of next.mounts) {
      const before = mounted.get(nameInEngine(each.name))
      if (before === undefined || !isSame(before, each)) {
        const error = await createView(connection, each)
        changed.push(each.name)
        if (error !== null) failed.push({ name: each.name, error })
        if (error !== null) continue
      }
      now.set(nameInEngine(each.name), each)
    }
    for (const [key, { name }] of mounted) {
      if (now.has(key)) continue
      await connection.run(`DROP VIEW IF EXISTS ${viewOf(name)}`)
      if (!changed.includes(name)) changed.push(name)
    }
    ;[found, mounted, unmounted] = [next, now, failed]
    return changed
  }

  return {
    async open(connection) {
      await connection.run(`DROP SCHEMA IF EXISTS ${filesSchema} CASCADE`)
      await connection.run(`CREATE SCHEMA ${filesSchema}`)
      mounted = new Map()
      await mount(connection, await findMounts(entries))
      const [first] = unmounted
      if (first !== undefined && !isOpened) throw first.error
      isOpened = true
    },
    async findChange() {
      const next = await findMounts(entries)
      const isWhole = found.mounts.length === mounted.size
      return isWhole && isSameFound(found, next) ? null : next
    },
    mount,
    behind: (name) => mounted.get(nameInEngine(name)) ?? behindNothing,
    refuseUnmounted(name) {
      const why = unmounted.find((each) => nameInEngine(each.name ?? '') === nameInEngine(name))
      if (why !== undefined) throw new AppError('WAREHOUSE_FAILED', why.error.message, { cause: why.error })
    },
    notices() {
      if (entries.length === 0) return []
      const names = [...mounted.values()].map(({ name }) => `${filesSchema}.${quoteName(name)}`)
      return [
        ok(`files are mounted as ${shorten(names)}`),
        ...unmounted.map(({ error }) => warn(error.message, 'mend the file, or take it away')),
        ...(found.notTaken.length === 0 ? [] : [ok(`no table is made of ${shorten(found.notTaken)}`)]),
      ]
    },
  }
}

/** The first of many. */
function shorten(names: readonly string[]): string {
  if (names.length === 0) return 'no tables'
  const rest = names.length - maxNamed
  return `${names.slice(0, maxNamed).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

const viewOf = (name: string) => `${filesSchema}.${quoteName(name)}`

function isSame(before: Mount, now: Mount): boolean {
  return (
    before.name === now.name &&
    before.relation === now.relation &&
    before.states.length === now.states.length &&
    before.states.every((state, i) => isUnchanged(state, now.states[i] ?? null))
  )
}

function isSameFound(before: Found, now: Found): boolean {
  return (
    before.mounts.length === now.mounts.length &&
    before.mounts.every((mount, i) => now.mounts[i] !== undefined && isSame(mount, now.mounts[i])) &&
    String(before.notTaken) === String(now.notTaken) &&
    String(before.unmounted.map(({ error }) => error.message)) ===
      String(now.unmounted.map(({ error }) => error.message))
  )
}

async function createView(
  connection: DuckDBConnection,
  { name, path, relation }: Mount,
): Promise<ConfigError | null> {
  try {
    await connection.run(`CREATE OR REPLACE VIEW ${viewOf(name)} AS SELECT * FROM ${relation}`)
    return null
  } catch (error) {
    return new ConfigError(`WAREHOUSE_FILES: ${path} cannot be read as a table: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

function reasonOf(error: unknown): string {
  const message = messageOf(error)
  const start = message.indexOf('{"exception_type"')
  if (start < 0) return message
  return String((JSON.parse(message.slice(start)) as { exception_message?: string }).exception_message)
}
