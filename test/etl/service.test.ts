// ETLs by id and by path: the stored source is used until it is asked for anew.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Catalog, openCatalog } from '../../src/catalog/open.ts'
import { createEtlService, type EtlService } from '../../src/etl/service.ts'
import { createEtlLoader } from '../../src/etl/source/source.ts'
import { createDataFolder } from '../data-folder.ts'
import { type GitServer, startGit } from '../servers/git.ts'
import { type EngineStack, openEngineStack } from './engine-stack.ts'

const log = pino({ level: 'silent' })
const script = (n: number) => `export function transform(row) { return { n: ${n} } }\n`

let git: GitServer
let stack: EngineStack
let catalog: Catalog
let etls: EtlService
let folder: Awaited<ReturnType<typeof createDataFolder>>
let path = ''
let count = 0

beforeAll(async () => {
  folder = await createDataFolder('etl-service')
  git = await startGit({ 'README.md': 'x' })
  stack = await openEngineStack()
  catalog = await openCatalog({ url: 'pglite:', folder: join(folder.path, 'catalog'), log })
  const sources = { hosts: [git.httpHost], folders: [folder.path] }
  const loader = createEtlLoader({ sources, temporaryFolder: folder.path, log })
  etls = createEtlService({ catalog, loader, etlEngine: stack.engine, log })
})
afterAll(async () => {
  await Promise.all([catalog.close(), stack.close(), git.stop()])
  await folder.remove()
})

beforeEach(async () => {
  const file = `features-${count++}.js`
  await git.commit({ [file]: script(1) })
  path = `git::${git.httpUrl}//${file}?ref=main`
})

const fileOf = (etlPath: string) => /\/\/([^/]+\.js)/.exec(etlPath)?.[1] ?? ''

describe('a path', () => {
  test('is loaded, checked and saved at first, and then answered from the catalog, whatever the branch has become', async () => {
    const first = await etls.resolve(path)
    expect(first).toMatchObject({
      id: expect.stringMatching(/^etl_/),
      version: 1,
      path,
      source: script(1),
      language: 'JAVASCRIPT',
      name: fileOf(path),
    })
    await git.commit({ [fileOf(path)]: script(2) })
    git.httpRequests.length = 0
    expect(await etls.resolve(path)).toEqual(first)
    expect(await etls.resolve(String(first.id))).toEqual(first)
    expect(git.httpRequests).toEqual([])
  })

  test('that many ask for at once for the first time is loaded once', async () => {
    git.httpRequests.length = 0
    const resolved = await Promise.all(Array.from({ length: 10 }, () => etls.resolve(path)))
    expect(new Set(resolved.map(({ id }) => id)).size).toBe(1)
    expect(git.httpRequests.filter((request) => request.includes('info/refs')).length).toBeLessThanOrEqual(3)
  })

  test('is found under its own name and under another', async () => {
    const named = await etls.resolve(path, { name: `risk-${count}` })
    expect(named).toMatchObject({ name: `risk-${count}`, version: 1 })
    expect(await etls.resolve(path, { name: `risk-${count}` })).toEqual(named)
    expect((await etls.resolve(path)).id).toBe(named.id)
  })

  test('that is not to be saved is not', async () => {
    expect(await etls.resolve(path, { save: false })).toMatchObject({
      id: null,
      version: null,
      source: script(1),
    })
    expect(await catalog.etls.newestByPath(path)).toBeNull()
  })

  test('whose credentials are given is stored, and found, without them', async () => {
    const withCredentials = path.replace('http://', 'http://me:secret@')
    const saved = await etls.resolve(withCredentials)
    expect(saved.path).toBe(path)
    expect((await etls.resolve(path)).id).toBe(saved.id)
    expect(JSON.stringify(await catalog.etls.byId(String(saved.id)))).not.toContain('secret')
  })

  test('is one entry however it is written, and entries of earlier releases are found as theirs were', async () => {
    const file = join(folder.path, `spelled-${count}.js`)
    await writeFile(file, script(1))
    const spellings = [`file:${file}`, `file://${file}`, `file:${folder.path}/././spelled-${count}.js`]
    const saved = await Promise.all(spellings.map((each) => etls.resolve(each)))
    expect(new Set(saved.map(({ id }) => id)).size).toBe(1)
    expect(saved[0]).toMatchObject({ path: `file:${file}`, version: 1 })
    const old = `file:${folder.path}/./old-${count}.js`
    const { name, language, commit, contentSha256, source } = await catalog.etls.byId(String(saved[0]?.id))
    const kept = await catalog.etls.save({
      name: `old-${name}`,
      path: old,
      language,
      commit,
      contentSha256,
      source,
    })
    expect((await etls.resolve(old)).id).toBe(kept.id)
  })

  test('to what is no ETL is not saved', async () => {
    await git.commit({ [fileOf(path)]: 'export function transform(row) {' })
    await expect(etls.resolve(path)).rejects.toMatchObject({ code: 'ETL_LOAD_FAILED', details: { line: 1 } })
    expect(await catalog.etls.newestByPath(path)).toBeNull()
    await git.commit({ [fileOf(path)]: script(5) })
    expect((await etls.resolve(path)).source).toBe(script(5))
  })
})

describe('refresh', () => {
  test('gives the same entry when nothing has changed, else the next version of the name', async () => {
    const first = await etls.resolve(path, { name: `fresh-${count}` })
    expect((await etls.refresh(String(first.id))).id).toBe(first.id)
    const commit = await git.commit({ [fileOf(path)]: script(2) })
    const second = await etls.refresh(String(first.id))
    expect(second).toMatchObject({ name: `fresh-${count}`, version: 2, path, commit, source: script(2) })
    expect((await etls.resolve(path)).id).toBe(second.id)
    expect((await etls.resolve(String(first.id))).source).toBe(script(1))
  })

  test('of a file loads the file again', async () => {
    const file = join(folder.path, `plain-${count}.js`)
    await writeFile(file, script(1))
    const first = await etls.resolve(`file:${file}`)
    await writeFile(file, script(2))
    expect((await etls.resolve(`file:${file}`)).source).toBe(script(1))
    expect(await etls.refresh(String(first.id))).toMatchObject({
      version: 2,
      source: script(2),
      commit: null,
    })
  })

  test('to what is no ETL leaves the entry as it is', async () => {
    const first = await etls.resolve(path)
    await git.commit({ [fileOf(path)]: 'nonsense(' })
    await expect(etls.refresh(String(first.id))).rejects.toMatchObject({ code: 'ETL_LOAD_FAILED' })
    expect((await etls.resolve(path)).id).toBe(first.id)
  })
})

test('an id that is not in the catalog is NOT_FOUND', async () => {
  await expect(etls.resolve('etl_0000000000000000')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(etls.refresh('etl_0000000000000000')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
