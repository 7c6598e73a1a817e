// Files as tables: each Parquet, CSV or NDJSON file, or folder of such files, becomes a view of schema `files`.

import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { ConfigError } from '../../config/config-error.ts'
import { messageOf } from '../../errors.ts'
import { quoteName, quotePath } from '../../sql/sql-text.ts'
import { filesSchema } from './schema.ts'

interface Mount {
  name: string
  /** What the view is named after, for messages. */
  path: string
  reader: string
  files: readonly string[]
}

const formats: readonly { pattern: RegExp; reader: string; options: string }[] = [
  { pattern: /\.parquet$/i, reader: 'read_parquet', options: 'union_by_name = true' },
  { pattern: /\.csv(\.gz)?$/i, reader: 'read_csv', options: 'union_by_name = true' },
  {
    pattern: /\.(ndjson|jsonl)(\.gz)?$/i,
    reader: 'read_json',
    options: "format = 'newline_delimited', union_by_name = true",
  },
]
const kinds = '.parquet, .csv, .ndjson or .jsonl (the last three also .gz)'

/** The files behind each view, by its name. */
export type MountedFiles = ReadonlyMap<string, readonly string[]>

/** Makes the views anew, from what the files and folders hold now. */
export async function mountFiles(
  connection: DuckDBConnection,
  entries: readonly string[],
): Promise<MountedFiles> {
  const mounts = (await Promise.all(entries.map(findMounts))).flat()
  refuseClashes(mounts)
  await connection.run(`DROP SCHEMA IF EXISTS ${filesSchema} CASCADE`)
  await connection.run(`CREATE SCHEMA ${filesSchema}`)
  for (const mount of mounts) await createView(connection, mount)
  return new Map(mounts.map(({ name, files }) => [name, files]))
}

/** What tells one state of a file from another; null where there is none. */
export interface FileState {
  ino: bigint
  /** A file that is gone leaves its number to the next one. */
  birthtimeNs: bigint
  size: bigint
  mtimeNs: bigint
  /** Who copies a file may give it the other's time of change, but not this one. */
  ctimeNs: bigint
}

/** What a file keeps as long as it is the same one, and what it keeps as long as nothing is written to it. */
const identity = ['ino', 'birthtimeNs'] as const
const state = [...identity, 'size', 'mtimeNs', 'ctimeNs'] as const

export function lookAt(files: readonly string[]): Promise<(FileState | null)[]> {
  return Promise.all(
    files.map(async (file) => {
      const found = await stat(file, { bigint: true }).catch(() => null)
      if (found === null) return null
      const { ino, birthtimeNs, size, mtimeNs, ctimeNs } = found
      return { ino, birthtimeNs, size, mtimeNs, ctimeNs }
    }),
  )
}

export function isUnchanged(before: FileState | null | undefined, now: FileState | null): boolean {
  return state.every((name) => before?.[name] === now?.[name])
}

/** Whether the file of before is still there, and what it held at its place. */
export function hasOnlyGrown(before: FileState | null | undefined, now: FileState | null): boolean {
  if (isUnchanged(before, now)) return true
  if (before == null || now === null) return false
  return identity.every((name) => before[name] === now[name]) && now.size > before.size
}

async function createView(connection: DuckDBConnection, { name, path, reader, files }: Mount): Promise<void> {
  const { options } = formats.find((format) => format.reader === reader) ?? { options: '' }
  const list = files.map(quotePath).join(', ')
  try {
    await connection.run(
      `CREATE VIEW ${filesSchema}.${quoteName(name)} AS SELECT * FROM ${reader}([${list}], ${options})`,
    )
  } catch (error) {
    throw new ConfigError(`WAREHOUSE_FILES: ${path} cannot be read as a table: ${reasonOf(error)}`, {
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

async function findMounts(entry: string): Promise<Mount[]> {
  const found = await stat(entry).catch((error: unknown) => {
    throw new ConfigError(`WAREHOUSE_FILES: ${entry} cannot be read: ${reasonOf(error)}`, { cause: error })
  })
  if (found.isFile()) return [mountFile(entry) ?? refuseFile(entry)]
  const mounts: Mount[] = []
  for (const child of (await readdir(entry, { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    if (child.name.startsWith('.') || child.name.startsWith('_')) continue
    const path = join(entry, child.name)
    const isFolder = child.isDirectory() || (child.isSymbolicLink() && (await stat(path)).isDirectory())
    const mount = isFolder ? await mountFolder(path) : mountFile(path)
    if (mount !== null) mounts.push(mount)
  }
  if (mounts.length === 0)
    throw new ConfigError(`WAREHOUSE_FILES: ${entry} holds no file that ends in ${kinds}`)
  return mounts
}

function refuseFile(path: string): never {
  throw new ConfigError(`WAREHOUSE_FILES: ${path} must end in ${kinds}`)
}

function mountFile(path: string): Mount | null {
  const format = formats.find(({ pattern }) => pattern.test(path))
  if (format === undefined) return null
  return { name: basename(path).replace(format.pattern, ''), path, reader: format.reader, files: [path] }
}

/** All files beneath a folder, however deep, as one table; null when it holds none. */
async function mountFolder(folder: string): Promise<Mount | null> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const files = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.') && !entry.name.startsWith('_'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  const parts = files.map(mountFile).filter((part) => part !== null)
  const readers = new Set(parts.map((part) => part.reader))
  if (readers.size > 1) {
    throw new ConfigError(
      `WAREHOUSE_FILES: ${folder} mixes formats; a folder's files are one table and must be of one`,
    )
  }
  const [reader] = readers
  if (reader === undefined) return null
  return { name: basename(folder), path: folder, reader, files: parts.flatMap((part) => part.files) }
}

function refuseClashes(mounts: readonly Mount[]): void {
  const byName = new Map<string, Mount>()
  for (const mount of mounts) {
    const earlier = byName.get(mount.name.toLowerCase())
    if (earlier !== undefined) {
      throw new ConfigError(
        `WAREHOUSE_FILES: ${earlier.path} and ${mount.path} would both be the table ${filesSchema}.${mount.name}; rename one`,
      )
    }
    byName.set(mount.name.toLowerCase(), mount)
  }
}
