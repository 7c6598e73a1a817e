// What WAREHOUSE_FILES names, as it stands on the disk: the tables to be, and what is none.

import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import { ConfigError } from '../../config/config-error.ts'
import { messageOf } from '../../errors.ts'
import { quotePath } from '../../sql/sql-text.ts'
import { type Looked, lookAt } from './file-states.ts'
import { type FindLake, formatOfFolder, type LakeFormat, parseLake } from './lakes.ts'
import type { Mount } from './mount.ts'
import { filesSchema } from './schema.ts'

/** A table that cannot be, or several where there is no name. */
export interface Unmounted {
  name?: string
  error: ConfigError
}

export interface Found {
  mounts: readonly Mount[]
  unmounted: readonly Unmounted[]
  /** Files and folders that no table holds, nor is meant to. */
  notTaken: readonly string[]
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

export async function findMounts(entries: readonly string[], findLake: FindLake): Promise<Found> {
  const parts = await Promise.all(entries.map((entry) => findEntry(entry, findLake)))
  const found = mergeFound(parts)
  const names = new Map<string, Mount[]>()
  for (const mount of found.mounts) {
    const key = mount.name.toLowerCase()
    names.set(key, [...(names.get(key) ?? []), mount])
  }
  const clashes = [...names.values()].filter((mounts) => mounts.length > 1)
  return {
    ...found,
    mounts: [...names.values()].flatMap((mounts) => (mounts.length === 1 ? mounts : [])),
    unmounted: [...found.unmounted, ...clashes.map(refuseClash)],
  }
}

function refuseClash([first, second]: readonly Mount[]): Unmounted {
  const name = second?.name ?? ''
  return cannotBe(
    `${first?.path} and ${second?.path} would both be the table ${filesSchema}.${name}; rename one`,
    name,
  )
}

function mergeFound(parts: readonly Found[]): Found {
  return {
    mounts: parts.flatMap(({ mounts }) => mounts),
    unmounted: parts.flatMap(({ unmounted }) => unmounted),
    notTaken: parts.flatMap(({ notTaken }) => notTaken),
  }
}

const nothing: Found = { mounts: [], unmounted: [], notTaken: [] }

function cannotBe(message: string, name?: string, cause?: unknown): Unmounted {
  const error = new ConfigError(`WAREHOUSE_FILES: ${message}`, { cause })
  return name === undefined ? { error } : { name, error }
}

const refuse = (...reason: Parameters<typeof cannotBe>): Found => ({
  ...nothing,
  unmounted: [cannotBe(...reason)],
})

/** Its files hold rows that are none of the table's any more, or not yet. */
function refuseLake(folder: string, format: LakeFormat): Found {
  const kind = format === 'delta' ? 'a Delta' : 'an Iceberg'
  return refuse(`${folder} holds ${kind} table; name it ${format}:${folder}`, basename(folder))
}

async function findEntry(entry: string, findLake: FindLake): Promise<Found> {
  try {
    const lake = parseLake(entry)
    if (lake !== null) return { ...nothing, mounts: await findLake(lake) }
    const found = await stat(entry)
    if (!found.isDirectory()) return await mountFile(entry, `${entry} must end in ${kinds}`)
    const format = await formatOfFolder(entry)
    if (format !== null) return refuseLake(entry, format)
    const children = await listFolder(entry)
    if (children.some(isPartition)) return await mountFolder(entry)
    const parts: Found[] = []
    for (const child of children) {
      const path = join(entry, child.name)
      parts.push(await ((await isFolder(child)) ? mountFolder(path) : mountFile(path)))
    }
    const all = mergeFound(parts)
    if (all.mounts.length > 0 || all.unmounted.length > 0) return all
    return { ...all, ...refuse(`${entry} holds no file that ends in ${kinds}`), notTaken: all.notTaken }
  } catch (error) {
    return refuse(`${entry} cannot be read: ${reasonOf(error)}`, undefined, error)
  }
}

/** What has a name that others give to their marks and half-written files is left out. */
async function listFolder(folder: string): Promise<Dirent[]> {
  const children = await readdir(folder, { withFileTypes: true })
  return children
    .filter(({ name }) => !name.startsWith('.') && !name.startsWith('_'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function isFolder(child: Dirent): Promise<boolean> {
  if (!child.isSymbolicLink()) return child.isDirectory()
  const found = await stat(join(child.parentPath, child.name)).catch(() => null)
  return found?.isDirectory() ?? false
}

const isPartition = ({ name }: Pick<Dirent, 'name'>) => /^[^=]+=/.test(name)
const formatOf = (path: string) => formats.find(({ pattern }) => pattern.test(path))

async function mountFile(path: string, refused?: string): Promise<Found> {
  const format = formatOf(path)
  if (format === undefined) return refused === undefined ? { ...nothing, notTaken: [path] } : refuse(refused)
  const name = basename(path).replace(format.pattern, '')
  const relation = `${format.reader}(${quotePath(path)}, ${format.options}, hive_partitioning = false)`
  return { ...nothing, mounts: [{ name, path, relation, paths: [path], states: await lookAt([path]) }] }
}

/** All files beneath a folder, however deep, as one table; none when it holds none. */
async function mountFolder(folder: string): Promise<Found> {
  const name = basename(folder)
  const lake = await formatOfFolder(folder)
  if (lake !== null) return refuseLake(folder, lake)
  const { files, folders, others } = await walk(folder)
  const taken = files.filter((path) => formatOf(path) !== undefined)
  const notTaken = [...files.filter((path) => formatOf(path) === undefined), ...others]
  const used = new Set(taken.map(formatOf))
  if (used.size > 1) {
    const message = `${folder} mixes formats; a folder's files are one table and must be of one`
    return { ...refuse(message, name), notTaken }
  }
  const [format] = used
  if (format === undefined) return { ...nothing, notTaken: notTaken.length > 0 ? notTaken : [folder] }
  const layouts = new Set(taken.map((path) => partitionsOf(relative(folder, path)).join('/')))
  if (layouts.size > 1) {
    const named = [...layouts].map((layout) => (layout === '' ? 'in none' : layout)).join(' and ')
    const message = `${folder} holds files of different partitions (${named}); all files of a table must be in folders of the same`
    return { ...refuse(message, name), notTaken }
  }
  const hive = layouts.has('') ? 'false' : 'true'
  const list = taken.map(quotePath).join(', ')
  const relation = `${format.reader}([${list}], ${format.options}, hive_partitioning = ${hive})`
  const paths = [...folders.paths, ...taken]
  const states = [...folders.states, ...(await lookAt(taken))]
  return { ...nothing, mounts: [{ name, path: folder, relation, paths, states }], notTaken }
}

/** The columns that a file's folders give it: `year=2026/month=01/a.parquet`. */
function partitionsOf(path: string): string[] {
  const folders = path.split(sep).slice(0, -1)
  return folders.flatMap((name) => (isPartition({ name }) ? [name.slice(0, name.indexOf('='))] : []))
}

interface Walked {
  files: string[]
  /** How each stood before it was listed. */
  folders: { paths: string[]; states: Looked['states'][number][] }
  /** Links to folders, which might lead round in circles, and what is no file. */
  others: string[]
}

async function walk(root: string): Promise<Walked> {
  const walked: Walked = { files: [], folders: { paths: [], states: [] }, others: [] }
  const waiting = [root]
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    walked.folders.states.push(...(await lookAt([folder])))
    walked.folders.paths.push(folder)
    for (const child of await listFolder(folder)) {
      const path = join(folder, child.name)
      if (child.isDirectory()) waiting.push(path)
      else if (child.isFile() || (child.isSymbolicLink() && !(await isFolder(child)))) walked.files.push(path)
      else walked.others.push(path)
    }
  }
  walked.files.sort()
  return walked
}

/** The engine's own words. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error)
  const start = message.indexOf('{"exception_type"')
  if (start < 0) return message
  return String((JSON.parse(message.slice(start)) as { exception_message?: string }).exception_message)
}
