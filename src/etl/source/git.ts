// ETLs from git: the ref becomes a commit, the commit is fetched shallow, the one file is read from git's own store.
// Nothing is ever checked out, so no link, hook, filter or submodule of the repository can do anything.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type GitAddress, loadFailed } from './address.ts'
import type { AllowList } from './allow-list.ts'
import { maxEtlBytes, tooLong } from './file.ts'
import { createGitProcess, GitError, type RunGit } from './git-process.ts'
import { findGitStore } from './git-store.ts'
import { publicAddressOf } from './private-address.ts'

const commitText = /^[0-9a-f]{40}([0-9a-f]{24})?$/
const shortCommitText = /^[0-9a-f]{4,64}$/

const timeLimitMs = 60_000
/** What a fetch may bring before it is ended: a server that does not filter sends a commit's whole tree. */
const sizeLimitBytes = 256_000_000

export interface GitFile {
  bytes: Uint8Array
  commit: string
}

export interface GitSourceOptions {
  allowList: AllowList
  temporaryFolder: string
  sshCommand?: string | undefined
}

interface Work {
  address: GitAddress
  folder: string
  git: RunGit
}

export function createGitSource({ allowList, temporaryFolder, sshCommand }: GitSourceOptions) {
  /** `reach` is the address to connect to, where the host was not allowed by its own name. */
  async function remoteOf({ host, publicPath, remote }: GitAddress) {
    if (host === null)
      return { remote: await allowList.checkFolder(resolve(remote), publicPath), reach: null }
    const { named } = allowList.checkHost(host, publicPath)
    return { remote, reach: named ? null : await publicAddressOf(host.name, publicPath) }
  }

  /** The folder's store, once it is known to lead nowhere else. */
  async function storeIn(remote: string, folder: string, { publicPath }: GitAddress, git: RunGit) {
    const settingsOf = async (file: string) => {
      const listed = await git(['config', '--file', file, '--name-only', '--list', '-z'], { outside: true })
      return listed.toString().split('\0')
    }
    const store = await findGitStore(remote, { allowList, publicPath, settingsOf })
    await writeFile(join(folder, 'config'), trusting(store))
    return pathToFileURL(store).href
  }

  async function read(address: GitAddress): Promise<GitFile> {
    const { remote, reach } = await remoteOf(address)
    const folder = await mkdtemp(join(temporaryFolder, 'etl-git-'))
    const signal = AbortSignal.timeout(timeLimitMs)
    const processOf = (url: string) =>
      createGitProcess({ folder, remote: url, reach, address, signal, sshCommand, sizeLimitBytes })
    try {
      const git = processOf(
        address.transport === 'file' ? await storeIn(remote, folder, address, processOf('')) : remote,
      )
      const work = { address, folder, git }
      await git(['init', '--quiet', '--bare', '--template=', 'repository.git'], { outside: true })
      const commit = await fetchCommit(work)
      return { commit, bytes: await readBlob(work, commit) }
    } catch (error) {
      throw translate(error, address, signal)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  function translate(error: unknown, address: GitAddress, signal: AbortSignal): unknown {
    if (signal.aborted)
      return loadFailed(address.publicPath, `git took longer than ${timeLimitMs / 1000} seconds`, {
        why: 'UNREADABLE',
      })
    if (!(error instanceof GitError)) return error
    return loadFailed(address.publicPath, error.message, { cause: error, why: error.why })
  }
  return { read }
}

/** A folder of another owner is read all the same: whoever allowed it vouches for it. */
function trusting(store: string): string {
  return `[safe]\n\tdirectory = ${JSON.stringify(store)}\n`
}

async function fetchCommit(work: Work): Promise<string> {
  const { address, git } = work
  const commit = await resolveRef(work)
  if (commit === null) return fetchByShortCommit(work, address.ref ?? '')
  try {
    await git(['fetch', ...fetchOptions, '--depth=1', 'origin', commit])
  } catch (error) {
    // Some servers give only what a branch or a tag points at: then all of these are asked for.
    if (!(error instanceof GitError) || address.ref !== commit) throw error
    return fetchByShortCommit(work, commit)
  }
  return commit
}

const fetchOptions = [
  '--quiet',
  '--no-tags',
  '--no-recurse-submodules',
  '--no-write-fetch-head',
  '--filter=blob:none',
]

/** Null when the ref can only be the beginning of a commit's name. */
async function resolveRef({ address, git }: Work): Promise<string | null> {
  const { ref, publicPath } = address
  if (ref !== null && commitText.test(ref)) return ref
  const patterns = ref === null ? ['HEAD'] : [ref, `${ref}^{}`]
  const listed = await git(['ls-remote', '--quiet', 'origin', ...patterns])
  const byName = new Map<string, string>()
  for (const line of listed.toString().split('\n')) {
    const [commit, name] = line.split('\t')
    if (commit !== undefined && name !== undefined) byName.set(name, commit)
  }
  // As git itself decides: a tag goes before a branch of the same name; ^{} is the commit that an annotated tag names.
  const names =
    ref === null
      ? ['HEAD']
      : [`${ref}^{}`, ref, `refs/tags/${ref}^{}`, `refs/tags/${ref}`, `refs/heads/${ref}`]
  const known = names.map((name) => byName.get(name)).find((commit) => commit !== undefined)
  if (known !== undefined) return known
  if (ref !== null && shortCommitText.test(ref)) return null
  throw loadFailed(
    publicPath,
    ref === null ? 'the repository has no commit yet' : `the repository has no branch, tag or commit ${ref}`,
    { why: 'MISSING' },
  )
}

async function fetchByShortCommit({ address, git }: Work, start: string): Promise<string> {
  await git(['fetch', ...fetchOptions, 'origin', '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'])
  try {
    return (await git(['rev-parse', '--quiet', '--verify', '--end-of-options', `${start}^{commit}`]))
      .toString()
      .trim()
  } catch (error) {
    throw loadFailed(
      address.publicPath,
      `the repository has no branch, tag or commit ${start}, or more than one commit begins so`,
      { cause: error, why: 'MISSING' },
    )
  }
}

const kindByMode: Record<string, string> = {
  '040000': 'a folder',
  '120000': 'a symbolic link, which is not followed',
  '160000': 'a submodule, which is not followed',
}

async function readBlob({ address, git }: Work, commit: string): Promise<Uint8Array> {
  const { file, publicPath } = address
  const listed = (
    await git(['--literal-pathspecs', 'ls-tree', '-z', '--full-tree', commit, '--', file])
  ).toString()
  const entry = /^(\d+) (\w+) ([0-9a-f]+)\t/.exec(listed)
  if (entry === null)
    throw loadFailed(publicPath, `commit ${commit.slice(0, 12)} has no file ${file}`, {
      why: 'MISSING',
    })
  const [, mode = '', type, id = ''] = entry
  if (type !== 'blob' || mode === '120000')
    throw loadFailed(publicPath, `${file} is ${kindByMode[mode] ?? 'not a file'}`, { why: 'UNREADABLE' })
  const size = Number((await git(['cat-file', '-s', id])).toString())
  if (size > maxEtlBytes) throw loadFailed(publicPath, tooLong)
  return git(['cat-file', 'blob', id])
}
