// Files as tables: each Parquet, CSV or NDJSON file, or folder of such files, is a view of the schema `files`, kept as they are now.

import { rm } from 'node:fs/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { ConfigError } from '../../config/config-error.ts'
import type { S3Access } from '../../config/stores.ts'
import { loadExtensions } from '../../duckdb/extensions.ts'
import { findRefusedMacros } from '../../duckdb/statement.ts'
import { AppError } from '../../errors.ts'
import { nameInEngine, quoteName, quoteText } from '../../sql/sql-text.ts'
import { type Notice, ok, warn } from '../../telemetry/notices.ts'
import type { Run } from './ducklakes.ts'
import { isUnchanged } from './file-states.ts'
import { createLakes, extensionsOf, type FindLake, isRemote, parseLake } from './lakes.ts'
import type { Mount } from './mount.ts'
import { type Found, findMounts, reasonOf, type Unmounted } from './mounts.ts'
import { filesSchema } from './schema.ts'

export type { Found } from './mounts.ts'

export interface Files {
  /** Makes all views anew. What cannot be a table is a ConfigError the first time, later one of whoever asks for it. */
  open(connection: DuckDBConnection, runs: { read: Run; write: Run }): Promise<void>
  /** What was found last. */
  found(): Found
  /** What is found now, where that is other than what is mounted. */
  findChange(): Promise<Found | null>
  /** The names of the tables that are new, other or gone. */
  mount(connection: DuckDBConnection, found: Found): Promise<string[]>
  /** Functions of extensions, which no user may call. */
  foreign(): ReadonlySet<string>
  /** What stands behind a view. */
  behind(name: string): Mount | undefined
  /** Throws where a table is none for a reason. */
  refuseUnmounted(name: string): void
  notices(): Notice[]
}

const maxNamed = 20

export interface FilesOptions {
  entries: readonly string[]
  /** Folders of the engine's extensions. */
  extensions: readonly string[]
  /** Where copies may be kept while they are read. */
  copies: string
  s3: S3Access
}

export function createFiles({ entries, extensions, copies, s3 }: FilesOptions): Files {
  let found: Found = { mounts: [], unmounted: [], notTaken: [] }
  let mounted: ReadonlyMap<string, Mount> = new Map()
  let unmounted: readonly Unmounted[] = []
  let foreign: ReadonlySet<string> = new Set()
  let findLake: FindLake
  let [isOpened, wasOpened] = [false, false]

  async function mount(connection: DuckDBConnection, next: Found): Promise<string[]> {
    const [now, failed] = [new Map<string, Mount>(), [...next.unmounted]]
    const changed: string[] = []
    for (const each of next.mounts) {
      const key = nameInEngine(each.name)
      const before = mounted.get(key)
      if (before !== undefined && isSame(before, each)) {
        now.set(key, before)
        continue
      }
      const error = await createView(connection, each)
      changed.push(each.name)
      if (error === null) now.set(key, each)
      else failed.push({ name: each.name, error })
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
    async open(connection, { read, write }) {
      isOpened = false
      foreign = await loadFor(connection, entries, extensions)
      if (entries.some((entry) => isRemote(parseLake(entry)?.path ?? ''))) await createSecret(connection, s3)
      await rm(copies, { recursive: true, force: true })
      const once =
        (run: Run): Run =>
        (work) =>
          isOpened ? run(work) : work(connection)
      findLake = createLakes({ read: once(read), write: once(write) }, copies)
      await connection.run(`DROP SCHEMA IF EXISTS ${filesSchema} CASCADE`)
      await connection.run(`CREATE SCHEMA ${filesSchema}`)
      mounted = new Map()
      await mount(connection, await findMounts(entries, findLake))
      const [first] = unmounted
      if (first !== undefined && !wasOpened) throw first.error
      isOpened = wasOpened = true
    },
    found: () => found,
    async findChange() {
      const next = await findMounts(entries, findLake)
      const isWhole = found.mounts.length === mounted.size
      return isWhole && isSameFound(found, next) ? null : next
    },
    mount,
    foreign: () => foreign,
    behind: (name) => mounted.get(nameInEngine(name)),
    refuseUnmounted(name) {
      if (mounted.has(nameInEngine(name))) return
      // Of what cannot be read as a whole nobody knows which tables it holds.
      const why =
        unmounted.find((each) => nameInEngine(each.name ?? '') === nameInEngine(name)) ??
        unmounted.find((each) => each.name === undefined)
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

async function loadFor(
  connection: DuckDBConnection,
  entries: readonly string[],
  folders: readonly string[],
): Promise<ReadonlySet<string>> {
  const foreign = new Set<string>()
  for (const entry of entries) {
    const lake = parseLake(entry)
    if (lake === null) continue
    const forWhat = `WAREHOUSE_FILES=${entry}`
    const names = extensionsOf(lake)
    for (const name of await loadExtensions(connection, { folders, names, forWhat })) foreign.add(name)
  }
  if (foreign.size > 0) for (const name of await findRefusedMacros(connection, foreign)) foreign.add(name)
  return foreign
}

/** For buckets, where the gateway is given no keys those that are open to all. */
async function createSecret(connection: DuckDBConnection, s3: S3Access): Promise<void> {
  const { protocol, host } = s3.endpoint === undefined ? {} : new URL(s3.endpoint)
  const options = Object.entries({
    KEY_ID: s3.keyId,
    SECRET: s3.secret,
    SESSION_TOKEN: s3.sessionToken,
    REGION: s3.region,
    ENDPOINT: host,
    URL_STYLE: host && 'path',
    USE_SSL: protocol && String(protocol === 'https:'),
  }).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${quoteText(value)}`]))
  await connection.run(`CREATE OR REPLACE SECRET gateway_s3 (${['TYPE s3', ...options].join(', ')})`)
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
    before.version === now.version &&
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
