// ETLs from a real git repository over file, http and ssh.

import { once } from 'node:events'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { open } from 'lmdb'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEtlLoader, type EtlLoaderOptions } from '../../src/etl/source/source.ts'
import { createFolder, runProgram } from '../servers/child.ts'
import { type GitServer, startGit } from '../servers/git.ts'

const log = pino({ level: 'silent' })
const first = 'SELECT 1 AS version FROM input\n'
const second = 'SELECT 2 AS version FROM input\n'

let git: GitServer
let secondCommit: string
/** Where git's files stand while it runs. */
let temporary: Awaited<ReturnType<typeof createFolder>>

beforeAll(async () => {
  temporary = await createFolder('git-temporary')
  git = await startGit({
    'etl/features.sql': first,
    'etl/with space é.ts': 'export function transform(row: object) { return row }\n',
    'etl/long.sql': `-- ${'x'.repeat(1_100_000)}\nSELECT 1`,
    'etl/binary.js': 'a\0b',
    'etl/lfs.js': 'version https://git-lfs.github.com/spec/v1\noid sha256:x\n',
    'README.md': 'read me',
    '.gitattributes': '* filter=evil\n',
  })
  await git.tag('v1')
  secondCommit = await git.commit({ 'etl/features.sql': second })
  await git.branch('feature/of-mine')
  await git.commit({ 'etl/features.sql': 'SELECT 3 AS version FROM input\n' })
  await git.branch('main')
})
afterAll(async () => {
  await git.stop()
  await temporary.remove()
})

const createLoader = (options: Partial<EtlLoaderOptions> = {}) =>
  createEtlLoader({
    sources: { hosts: [git.httpHost, git.sshHost], folders: [git.root] },
    temporaryFolder: temporary.path,
    log,
    sshCommand: git.sshCommand,
    ...options,
  })

const load = (path: string) => createLoader().load(path)

async function expectFailure(path: string, message: RegExp) {
  const failure = { name: 'AppError', code: 'ETL_LOAD_FAILED', message: expect.stringMatching(message) }
  await expect(load(path)).rejects.toMatchObject(failure)
}

describe.each([['file'], ['http'], ['ssh']] as const)('over %s', (transport) => {
  const urlOf = () => ({ file: git.fileUrl, http: git.httpUrl, ssh: git.sshUrl })[transport]
  const pathOf = (ref: string) => `git::${urlOf()}//etl/features.sql${ref}`

  test('a tag, a branch, a commit, the beginning of one, and no ref at all become a commit', async () => {
    const tagged = await load(pathOf('?ref=v1'))
    expect(tagged).toEqual({
      path: pathOf('?ref=v1'),
      language: 'SQL',
      commit: git.firstCommit,
      contentSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      source: first,
      name: 'features.sql',
    })
    expect(await load(pathOf(`?ref=${secondCommit}`))).toMatchObject({ commit: secondCommit, source: second })
    expect(await load(pathOf(`?ref=${git.firstCommit}`))).toMatchObject({
      commit: git.firstCommit,
      source: first,
    })
    expect((await load(pathOf('?ref=feature/of-mine'))).source).toContain('SELECT 3')
    expect((await load(pathOf('?ref=feature%2Fof-mine'))).source).toContain('SELECT 3')
    expect(await load(pathOf(`?ref=${git.firstCommit.slice(0, 10)}`))).toMatchObject({
      commit: git.firstCommit,
    })
    expect((await load(pathOf(''))).commit).toMatch(/^[0-9a-f]{40}$/)
  })

  test('a ref or a file that is not there says so', async () => {
    await expectFailure(pathOf('?ref=v99'), /no branch, tag or commit v99/)
    await expectFailure(pathOf('?ref=abcdef1'), /no branch, tag or commit abcdef1/)
    await expectFailure(pathOf(`?ref=${'a'.repeat(40)}`), /ETL git::.* cannot be loaded/)
    await expectFailure(`git::${urlOf()}//etl/none.sql?ref=v1`, /has no file etl\/none\.sql/)
    await expectFailure(`git::${urlOf()}//etl.sql/none.sql?ref=v1`, /has no file/)
    await expectFailure(
      `git::${urlOf().replace('features.git', 'none.git')}//etl/features.sql`,
      transport === 'file' ? /there is no such file/ : /there is no such repository|who asks/,
    )
  })
})

test('a file name with spaces and accents is found, as it is and escaped', async () => {
  for (const name of ['with space é.ts', 'with%20space%20%C3%A9.ts']) {
    expect(await load(`git::${git.fileUrl}//etl/${name}?ref=v1`)).toMatchObject({
      language: 'TYPESCRIPT',
      name: 'with space é.ts',
    })
  }
})

test('what is no script is refused: too long, binary, kept elsewhere, or of an unknown language', async () => {
  const at = (file: string) => `git::${git.httpUrl}//${file}?ref=v1`
  await expectFailure(at('etl/long.sql'), /longer than 1000000 bytes/)
  await expectFailure(at('etl/binary.js'), /NUL character/)
  await expectFailure(at('etl/lfs.js'), /Git LFS/)
  await expectFailure(at('README.md'), /no extension that tells the language: \.sql, \.js/)
})

test('links, folders and submodules are not followed', async () => {
  const folder = await createFolder('git-links')
  const work = join(folder.path, 'work')
  const run = (...args: string[]) =>
    runProgram('git', args, {
      cwd: work,
      env: {
        GIT_AUTHOR_NAME: 'a',
        GIT_AUTHOR_EMAIL: 'a@b.c',
        GIT_COMMITTER_NAME: 'a',
        GIT_COMMITTER_EMAIL: 'a@b.c',
        GIT_CONFIG_GLOBAL: '/dev/null',
      },
    })
  try {
    await mkdir(join(work, 'folder.sql'), { recursive: true })
    await run('init', '--quiet', '--initial-branch=main')
    await symlink('/etc/passwd', join(work, 'link.sql'))
    await writeFile(join(work, 'folder.sql', 'x'), 'x')
    await run('add', '--all')
    await run('update-index', '--add', '--cacheinfo', `160000,${git.firstCommit},sub.sql`)
    await run('commit', '--quiet', '-m', 'x')
    const loader = createLoader({ sources: { hosts: [], folders: [folder.path] } })
    await expect(loader.load(`git::${work}//link.sql`)).rejects.toThrow(/symbolic link/)
    await expect(loader.load(`git::file://${work}//folder.sql`)).rejects.toThrow(/is a folder/)
    await expect(loader.load(`git::${work}//sub.sql`)).rejects.toThrow(/submodule/)
  } finally {
    await folder.remove()
  }
})

describe('only what ETL_SOURCES names may be loaded', () => {
  test('other hosts are refused, and the error says what to set', async () => {
    const loader = createLoader({ sources: { hosts: [], folders: [] } })
    await expect(loader.load(`git::${git.httpUrl}//etl/features.sql`)).rejects.toThrow(
      `ETL_SOURCES=${git.httpHost}`,
    )
    await expect(loader.load('git::git@github.com:org/repo.git//a.sql')).rejects.toThrow(
      'ETL_SOURCES=github.com',
    )
    await expect(loader.load('git::https://github.com/org/repo.git//a.sql')).rejects.toMatchObject({
      code: 'ETL_LOAD_FAILED',
    })
  })

  test('other folders are refused, also by way of .., of links, and of a work tree that leads elsewhere', async () => {
    const folder = await createFolder('git-inside')
    try {
      const loader = createLoader({ sources: { hosts: [], folders: [folder.path] } })
      await symlink(git.path, join(folder.path, 'linked.git'))
      await mkdir(join(folder.path, 'worktree'))
      await writeFile(join(folder.path, 'worktree', '.git'), `gitdir: ${git.path}\n`)
      for (const repository of [
        git.fileUrl,
        git.path,
        `${folder.path}/../..${git.path}`,
        `${folder.path}/linked.git`,
        `${folder.path}/worktree`,
      ]) {
        await expect(loader.load(`git::${repository}//etl/features.sql`)).rejects.toThrow(/ETL_SOURCES=/)
      }
    } finally {
      await folder.remove()
    }
  })
})

test('credentials are given to the host, and to nobody else', async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization ?? '')
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const logged: string[] = []
  const loader = createLoader({
    sources: { hosts: [host], folders: [] },
    log: pino({ level: 'trace' }, { write: (line: string) => logged.push(line) }),
  })
  const path = `git::http://someone:s3cr%2Bet@${host}/features.git//etl/features.sql?ref=v1`
  const error = await loader.load(path).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'ETL_LOAD_FAILED', message: expect.stringContaining('who asks') })
  const told = JSON.stringify([
    error,
    String((error as Error).message),
    String((error as Error).cause),
    (error as Error).stack,
    logged,
  ])
  expect(told).not.toMatch(/s3cr|someone/)
  expect(asked).toContain(`Basic ${Buffer.from('someone:s3cr+et').toString('base64')}`)
  expect(loader.publicPath(path)).toBe(`git::http://${host}/features.git//etl/features.sql?ref=v1`)
  server.close()
})

test('a server that redirects elsewhere is not followed', async () => {
  const server = createServer((_, response) => {
    response.writeHead(302, { location: `${git.httpUrl}/info/refs?service=git-upload-pack` }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const loader = createLoader({ sources: { hosts: [host], folders: [] } })
  await expect(loader.load(`git::http://${host}/features.git//etl/features.sql`)).rejects.toThrow(
    /cannot be loaded: git failed/,
  )
  server.close()
})

test.each([
  ['git::https://host/repo.git', /two slashes must stand/],
  ['git::https://host/repo.git//../x.sql', /not a file's path/],
  ['git::https://host/repo.git//a//x.sql', /not a file's path/],
  ['git::https://host/repo.git//x.sql?ref=--upload-pack=x', /not the name of a branch/],
  ['git::https://host/repo.git//x.sql?ref=a..b', /not the name of a branch/],
  ['git::https://host/repo.git//x.sql?ref=', /not the name of a branch/],
  ['git::https://host/repo.git//x.sql?depth=1', /only ref=… may stand/],
  ['git::ext::sh -c touch% /tmp/x//x.sql', /not well formed|ETL_SOURCES/],
  ['git::-oProxyCommand=x:y//x.sql', /neither a URL nor/],
  ['git::ssh://-oProxyCommand=x/y//x.sql', /not well formed|cannot be read/],
  ['git::ftp://host/repo.git//x.sql', /neither a URL nor|not well formed/],
  ['nonsense', /"nonsense" has none of them/],
  ['https://user:secret@ host/x', /cannot be read/],
  ['etl\n.sql', /control character/],
])('%j is refused', async (path, message) => {
  const error: unknown = await load(path).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'ETL_LOAD_FAILED' })
  expect((error as Error).message).toMatch(message)
  expect((error as Error).message).not.toContain('secret')
})

test('git, and what it starts, have none of the gateway’s files open', async () => {
  const folder = await createFolder('git-files')
  const store = open({ path: join(folder.path, 'store') })
  await store.put('a', 1)
  const list = join(folder.path, 'open')
  const loader = createLoader({
    sources: { hosts: [git.sshHost], folders: [] },
    sshCommand: `ls -l /proc/self/fd > ${list}; ls -l /proc/$PPID/fd >> ${list}; ${git.sshCommand}`,
  })
  await loader.load(`git::${git.sshUrl}//etl/features.sql`)
  const told = await readFile(list, 'utf8')
  expect(told).toContain('/proc/')
  expect(told).not.toContain('.mdb')
  await store.close()
  await folder.remove()
})

test('nothing is left behind, whatever happened', async () => {
  await load(`git::${git.httpUrl}//etl/features.sql`)
  await load(`git::${git.httpUrl}//etl/none.sql`).catch(() => undefined)
  expect(await readdir(temporary.path)).toEqual([])
})
