// Tables of a lakehouse that WAREHOUSE_FILES names by their format: delta:/lake/orders, iceberg:…, ducklake:….

import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { quoteText } from '../../sql/sql-text.ts'
import { createDucklakes, type Run } from './ducklakes.ts'
import { lookAt } from './file-states.ts'
import type { Mount } from './mount.ts'

export type LakeFormat = 'delta' | 'iceberg' | 'ducklake'

export interface Lake {
  format: LakeFormat
  path: string
}

/** In the order in which they are loaded. */
const extensions: Record<LakeFormat, readonly string[]> = {
  delta: ['delta'],
  iceberg: ['avro', 'iceberg'],
  ducklake: ['ducklake'],
}

export const isRemote = (path: string) => /^s3:\/\//.test(path)
const isMetadata = (path: string) => /\.metadata\.json$/.test(path)

/** The engine's extensions that it takes. */
export function extensionsOf({ format, path }: Lake): readonly string[] {
  return [...(isRemote(path) ? ['httpfs'] : []), ...extensions[format]]
}

export function parseLake(entry: string): Lake | null {
  const [, format, path] = /^(delta|iceberg|ducklake):(.+)$/s.exec(entry) ?? []
  return format === undefined || path === undefined ? null : { format: format as LakeFormat, path }
}

/** The folder that the engine may touch for it. */
export function folderOf({ format, path }: Lake): string {
  if (format === 'ducklake') return dirname(path)
  const folder = isMetadata(path) ? dirname(dirname(path)) : path
  return isRemote(path) ? `${folder}/` : folder
}

/** What a plain folder is by its own account, which its files alone do not tell: which of them count. */
export async function formatOfFolder(folder: string): Promise<LakeFormat | null> {
  const has = (name: string) => readdir(join(folder, name)).catch(() => [])
  if ((await has('_delta_log')).length > 0) return 'delta'
  return (await has('metadata')).some((name) => name.endsWith('.metadata.json')) ? 'iceberg' : null
}

/** Finds the tables of a lake as they are now. */
export type FindLake = (lake: Lake) => Promise<readonly Mount[]>

/** `read` runs what only reads, however long it takes; `write` what changes what there is. */
export function createLakes({ read, write }: { read: Run; write: Run }, copies: string): FindLake {
  const findDucklake = createDucklakes(write, copies)
  return async ({ format, path }) => {
    if (isRemote(path)) return [await findRemote(read, format, path)]
    if (format === 'delta') return [await findDelta(path)]
    return format === 'iceberg' ? [await findIceberg(path)] : findDucklake(path)
  }
}

/** Each commit is a file of its log, and each statement reads the newest. */
async function findDelta(path: string): Promise<Mount> {
  const log = join(path, '_delta_log')
  const states = await lookAt([log])
  if (states[0] == null) throw new Error(`it holds no Delta table: there is no ${log}`)
  const version =
    (await readdir(log))
      .filter((name) => name.endsWith('.json'))
      .sort()
      .at(-1) ?? ''
  return {
    name: basename(path),
    path,
    relation: `delta_scan(${quoteText(path)})`,
    version,
    paths: [log],
    states,
  }
}

/** A file of metadata is one state of the table; of a table's folder the newest is taken. */
async function findIceberg(path: string): Promise<Mount> {
  const isFile = isMetadata(path)
  const folder = isFile ? dirname(dirname(path)) : path
  const metadata = join(folder, 'metadata')
  const states = await lookAt([metadata])
  if (states[0] == null) throw new Error(`it holds no Iceberg table: there is no ${metadata}`)
  const hint = await readFile(join(metadata, 'version-hint.text'), 'utf8').catch(() => null)
  const file = isFile ? path : join(metadata, newestMetadata(metadata, await readdir(metadata), hint))
  const relation = `iceberg_scan(${quoteText(file)})`
  return { name: basename(folder), path, relation, version: file, paths: [metadata], states }
}

function newestMetadata(folder: string, names: readonly string[], hint: string | null): string {
  const files = names.filter(isMetadata)
  const numbered = files.map((name) => ({ name, number: Number(/^v?(\d+)/.exec(name)?.[1] ?? -1) }))
  const number =
    hint === null ? Math.max(...numbered.map((each) => each.number)) : Number(hint.trim().replace(/^v/, ''))
  const [newest, second] = numbered.filter((each) => each.number === number)
  if (newest === undefined) throw new Error(`it holds no Iceberg table: ${folder} has no metadata.json`)
  if (second !== undefined)
    throw new Error(
      `${newest.name} and ${second.name} of ${folder} are of one number, and only the table's catalog knows which of them counts; name the file itself`,
    )
  return newest.name
}

/** In a bucket: the engine lists what there is, since nothing tells of a change. */
async function findRemote(read: Run, format: LakeFormat, path: string): Promise<Mount> {
  const list = (pattern: string) =>
    read(async (connection) => {
      const result = await connection.run(`SELECT file FROM glob(${quoteText(pattern)}) ORDER BY file`)
      return (await result.getRows()).map(([file]) => String(file))
    })
  const nothing = { paths: [], states: [], isRemote: true }
  if (format === 'delta') {
    const version = (await list(`${path}/_delta_log/*.json`)).at(-1)
    if (version === undefined) throw new Error(`it holds no Delta table: there is no ${path}/_delta_log`)
    return { ...nothing, name: basename(path), path, relation: `delta_scan(${quoteText(path)})`, version }
  }
  const folder = isMetadata(path) ? dirname(dirname(path)) : path
  let version = path
  if (!isMetadata(path)) {
    const files = await list(`${folder}/metadata/*`)
    const hintFile = files.find((file) => basename(file) === 'version-hint.text')
    const hint = hintFile === undefined ? null : await readText(read, hintFile)
    version = `${folder}/metadata/${newestMetadata(
      `${folder}/metadata`,
      files.map((file) => basename(file)),
      hint,
    )}`
  }
  return {
    ...nothing,
    name: basename(folder),
    path,
    relation: `iceberg_scan(${quoteText(version)})`,
    version,
  }
}

function readText(read: Run, file: string): Promise<string> {
  return read(async (connection) => {
    const result = await connection.run(`SELECT content FROM read_text(${quoteText(file)})`)
    return String((await result.getRows())[0]?.[0])
  })
}
