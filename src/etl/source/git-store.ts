// A git repository in a folder of this machine: where its store is, and that nothing there leads out of the allowed folders.

import type { Dirent } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { AppError } from '../../errors.ts'
import { loadFailed } from './address.ts'
import type { AllowList } from './allow-list.ts'

/** What git reads of a store to give out a commit; of hooks and logs, say, it reads nothing. */
const readForCommits = [
  'HEAD',
  'commondir',
  'config',
  'config.worktree',
  'info',
  'objects',
  'packed-refs',
  'refs',
  'reftable',
  'shallow',
]
/** A file that names places is no longer. */
const longestPointer = 65_536

export interface GitStoreOptions {
  allowList: AllowList
  publicPath: string
  /** The names of the settings in a file of git's, those of files that it includes left out. */
  settingsOf(file: string): Promise<readonly string[]>
}

/**
 * The store of the repository at `remote`, a real path in an allowed folder. Rejects with ETL_LOAD_FAILED when git would
 * read outside these: by a `.git` file, a common folder, a link, objects that are borrowed, settings that are included.
 */
export async function findGitStore(remote: string, options: GitStoreOptions): Promise<string> {
  const { publicPath } = options
  const inside = createInside(options)
  const walk = createWalk(inside)

  async function refuseIncludes(file: string): Promise<void> {
    if ((await stat(file).catch(() => null)) === null) return
    const included = (await options.settingsOf(file)).find((name) => /^include(if)?\./i.test(name))
    if (included === undefined) return
    const reason = `its repository takes settings from another file (${included.slice(0, 100)}); remove that from the repository's config`
    throw loadFailed(publicPath, reason)
  }

  async function followLoans(objects: string, seen: Set<string>): Promise<void> {
    if (seen.has(objects)) return
    seen.add(objects)
    await walk(objects)
    const lent = (await readPointer(join(objects, 'info', 'alternates'))) ?? ''
    for (const line of lent.split('\n')) {
      // A name in quotation marks is looked for as it stands, and so not found.
      if (line !== '' && !line.startsWith('#')) await followLoans(await inside(resolve(objects, line)), seen)
    }
  }

  const store = await inside(await storeOf(remote))
  const pointer = await readPointer(join(store, 'commondir'))
  const common = pointer === null ? store : await inside(from(store, pointer.trimEnd()))
  for (const folder of new Set([store, common])) {
    await walk(folder, readForCommits)
    for (const name of ['config', 'config.worktree']) await refuseIncludes(join(folder, name))
  }
  await followLoans(await inside(join(common, 'objects')), new Set())
  return store
}

/** The real path of what lies in an allowed folder. */
function createInside({ allowList, publicPath }: GitStoreOptions) {
  return async (path: string): Promise<string> => {
    try {
      return await allowList.checkFolder(path, publicPath)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      const reason =
        'its repository leads out of the folders that ETLs may come from, or to what does not exist; whoever runs the gateway allows a folder with ETL_SOURCES=/path/of/the/folder'
      throw loadFailed(publicPath, reason, { cause: error, why: 'FORBIDDEN' })
    }
  }
}

/** Looks at every link in a folder and beneath, and at what it leads to. */
function createWalk(inside: (path: string) => Promise<string>) {
  const walked = new Set<string>()

  async function visit(entry: Dirent): Promise<void> {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) return walk(path)
    if (!entry.isSymbolicLink()) return
    const real = await inside(path)
    if ((await stat(real)).isDirectory()) await walk(real)
  }

  async function walk(folder: string, names: readonly string[] | null = null): Promise<void> {
    if (walked.has(folder)) return
    walked.add(folder)
    const entries = await readdir(folder, { withFileTypes: true })
    await Promise.all(entries.filter(({ name }) => names?.includes(name) ?? true).map(visit))
  }

  return walk
}

/** A work tree's `.git` may be a file that leads elsewhere. */
async function storeOf(remote: string): Promise<string> {
  const own = join(remote, '.git')
  const found = await stat(own).catch(() => null)
  if (found === null) return remote
  if (found.isDirectory()) return own
  const pointer = await readPointer(own)
  return from(remote, /^gitdir: (.*)/.exec(pointer ?? '')?.[1] ?? '')
}

/** As the system goes there: what `..` leads to after a link depends on the link. */
function from(folder: string, path: string): string {
  return isAbsolute(path) ? path : `${folder}/${path}`
}

/** Null where there is no such file. */
async function readPointer(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => null)
  if (found === null) return null
  if (!found.isFile() || found.size > longestPointer) throw new Error(`${path} names no place`)
  return readFile(path, 'utf8')
}
