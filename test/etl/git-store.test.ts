// Git repositories in an allowed folder that lead out of it: by their objects, links, settings, or names.

import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { createEtlLoader } from '../../src/etl/source/source.ts'
import { testLog } from '../parts.ts'
import { createFolder, runProgram } from '../servers/child.ts'
import { type GitServer, startGit } from '../servers/git.ts'
import { programPath } from '../servers/programs.ts'

const source = "SELECT 'secret' AS word FROM input\n"

let git: GitServer
let folder: Awaited<ReturnType<typeof createFolder>>
let repository: string

beforeAll(async () => {
  git = await startGit({ 'etl/features.sql': source })
})
afterAll(() => git.stop())

beforeEach(async () => {
  folder = await createFolder('git-store')
  repository = join(folder.path, 'inside.git')
  await runGit('init', '--quiet', '--bare', '--initial-branch=main', repository)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await folder.remove()
})

async function runGit(...args: string[]) {
  return runProgram(programPath('git'), args, { env: { GIT_CONFIG_GLOBAL: '/dev/null' }, cwd: folder.path })
}

const load = (path: string, folders = [folder.path]) =>
  createEtlLoader({ sources: { hosts: [], folders }, temporaryFolder: folder.path, log: testLog() }).load(
    path,
  )

const features = (at = repository, ref = git.firstCommit) => `git::${at}//etl/features.sql?ref=${ref}`

/** The repository with all of the other's history, as its own. */
async function copyHistory() {
  await runGit('--git-dir', repository, 'fetch', '--quiet', git.path, '+refs/heads/*:refs/heads/*')
}

const leadsOut = { code: 'ETL_LOAD_FAILED', message: expect.stringMatching(/leads out of the folders/) }

test('objects of a repository elsewhere are not borrowed, by however many steps', async () => {
  const borrow = (from: string, objects: string) =>
    writeFile(join(from, 'objects', 'info', 'alternates'), `# lent\n${objects}\n`)
  await borrow(repository, join(git.path, 'objects'))
  await writeFile(join(repository, 'refs', 'heads', 'main'), `${git.firstCommit}\n`)
  for (const ref of [git.firstCommit, git.firstCommit.slice(0, 8), 'main'])
    await expect(load(features(repository, ref))).rejects.toMatchObject(leadsOut)

  const between = join(folder.path, 'between.git')
  await rename(repository, between)
  await runGit('init', '--quiet', '--bare', repository)
  await borrow(repository, '../../between.git/objects')
  await expect(load(features())).rejects.toMatchObject(leadsOut)
  await borrow(repository, `"${between}/objects"`)
  await expect(load(features())).rejects.toMatchObject(leadsOut)
  await borrow(repository, '../../between.git/objects')
  // Where all of it may be read, it is.
  expect(await load(features(), [folder.path, git.root])).toMatchObject({ source })
})

test.each([
  ['objects', 'objects'],
  ['refs', 'refs'],
  ['HEAD', 'HEAD'],
  ['objects/pack', 'objects/pack'],
  ['packed-refs', 'HEAD'],
  ['shallow', 'HEAD'],
  ['config', 'config'],
])('a link in its store that leads out is not followed: %s', async (own, other) => {
  await copyHistory()
  await rm(join(repository, own), { recursive: true, force: true })
  await symlink(join(git.path, other), join(repository, own))
  await expect(load(features())).rejects.toMatchObject(leadsOut)
})

test('a link to another place in the folder is followed, and what it leads to is looked at too', async () => {
  await copyHistory()
  await rename(join(repository, 'objects'), join(folder.path, 'objects'))
  await symlink(join(folder.path, 'objects'), join(repository, 'objects'))
  await symlink('/etc/hostname', join(repository, 'hooks', 'post-update'))
  expect(await load(features())).toMatchObject({ source })
  await rm(join(folder.path, 'objects', 'pack'), { recursive: true })
  await symlink(join(git.path, 'objects', 'pack'), join(folder.path, 'objects', 'pack'))
  await expect(load(features())).rejects.toMatchObject(leadsOut)
})

test('a common folder elsewhere is not read', async () => {
  const worktree = join(folder.path, 'worktree')
  const own = join(folder.path, 'own')
  await mkdir(own)
  await mkdir(worktree)
  await writeFile(join(own, 'HEAD'), 'ref: refs/heads/main\n')
  await writeFile(join(own, 'commondir'), `${git.path}\n`)
  await writeFile(join(worktree, '.git'), `gitdir: ../own\n`)
  await expect(load(features(worktree))).rejects.toMatchObject(leadsOut)
})

test('a work tree beside its repository is read', async () => {
  await copyHistory()
  await runGit('--git-dir', repository, 'worktree', 'add', '--quiet', 'beside', 'main')
  expect(await load(features(join(folder.path, 'beside'), 'main'))).toMatchObject({ source })
})

test.each([['[include]\n\tpath = /etc/passwd\n'], ['[core] [includeIf "gitdir:/"] path = ../../../else\n']])(
  'settings of other files are not taken: %j',
  async (more) => {
    await copyHistory()
    const config = join(repository, 'config')
    await writeFile(config, `${await readFile(config, 'utf8')}${more}`)
    await expect(load(features())).rejects.toMatchObject({
      code: 'ETL_LOAD_FAILED',
      message: expect.stringMatching(/takes settings from another file/),
    })
  },
)

test('objects that are missing are not fetched from wherever its settings say', async () => {
  await writeFile(join(repository, 'refs', 'heads', 'main'), `${git.firstCommit}\n`)
  const settings = {
    'core.repositoryFormatVersion': '1',
    'extensions.partialClone': 'origin',
    'remote.origin.url': git.path,
    'remote.origin.promisor': 'true',
    'remote.origin.uploadpack': `touch ${folder.path}/ran; git-upload-pack`,
  }
  for (const [name, value] of Object.entries(settings))
    await runGit('--git-dir', repository, 'config', name, value)
  for (const ref of ['main', git.firstCommit])
    await expect(load(features(repository, ref))).rejects.toMatchObject({ code: 'ETL_LOAD_FAILED' })
  await expect(readFile(join(folder.path, 'ran'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test('a folder is what its name says: nothing in it is decoded, nothing beside it is tried', async () => {
  await mkdir(join(folder.path, 'empty'))
  await symlink(git.path, join(folder.path, 'empty.git'))
  await expect(load(features(join(folder.path, 'empty')))).rejects.toMatchObject({ code: 'ETL_LOAD_FAILED' })
  // Git would read %2e%2e in a URL as the folder above.
  const allowed = join(folder.path, 'allowed')
  await mkdir(join(allowed, '%2e%2e'), { recursive: true })
  await copyHistory()
  await rename(repository, join(allowed, '%2e%2e', 'x.git'))
  await symlink(git.path, join(folder.path, 'x.git'))
  expect(await load(features(join(allowed, '%2e%2e', 'x.git')), [allowed])).toMatchObject({ source })
  await rm(join(allowed, '%2e%2e', 'x.git', 'objects'), { recursive: true })
  await expect(load(features(join(allowed, '%2e%2e', 'x.git')), [allowed])).rejects.toMatchObject({
    code: 'ETL_LOAD_FAILED',
  })
})

test("the gateway's own environment lends no objects", async () => {
  vi.stubEnv('GIT_ALTERNATE_OBJECT_DIRECTORIES', join(git.path, 'objects'))
  vi.stubEnv('GIT_OBJECT_DIRECTORY', join(git.path, 'objects'))
  vi.stubEnv('GIT_DIR', git.path)
  await expect(load(features())).rejects.toMatchObject({ code: 'ETL_LOAD_FAILED' })
})
