// Addresses of ETLs, made at random: whatever is written, it loads or the caller is told what is wrong with it.

import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { createEtlLoader, type EtlLoader } from '../../src/etl/source/source.ts'
import { testLog } from '../parts.ts'
import { createFolder } from '../servers/child.ts'

let folder: Awaited<ReturnType<typeof createFolder>>
let loader: EtlLoader

beforeAll(async () => {
  folder = await createFolder('addresses')
  await mkdir(join(folder.path, 'etl'))
  await writeFile(join(folder.path, 'etl', 'x.js'), 'export function transform(row) { return row }')
  // Nobody listens there.
  const sources = { hosts: ['127.0.0.1:1'], folders: [join(folder.path, 'etl')] }
  loader = createEtlLoader({ sources, temporaryFolder: folder.path, log: testLog() })
})

afterAll(() => folder.remove())

const odd = fc.constantFrom(
  '%ff',
  '%',
  '%00',
  '%0a',
  '%2f',
  '%252f',
  '@',
  ':',
  '//',
  '..',
  '[',
  '\\',
  '?',
  '#',
  '\u202e',
  '\ud800',
  '-',
  ' ',
)
const plain = fc.constantFrom('a', 'host', '127.0.0.1:1', 'x.js', 'x.sql', '.git', 'ref=v1', 'ref=', 'user')
const pieces = fc.array(fc.oneof(odd, plain), { maxLength: 8 }).map((parts) => parts.join(''))
const addresses = fc.oneof(
  pieces,
  fc
    .tuple(fc.constantFrom('http', 'https'), pieces, pieces, pieces)
    .map(([scheme, user, host, path]) => `${scheme}://${user}@${host}/${path}`),
  fc.tuple(pieces, pieces).map(([user, path]) => `http://${user}@127.0.0.1:1/${path}x.js`),
  fc
    .tuple(fc.constantFrom('https://', 'ssh://', 'file://', 'git@', ''), pieces, pieces, pieces)
    .map(([scheme, host, file, ref]) => `git::${scheme}${host}.git//${file}?ref=${ref}`),
  fc.tuple(pieces, pieces).map(([file, ref]) => `git::http://127.0.0.1:1/r.git//${file}x.js?ref=${ref}`),
  pieces.map((path) => `file:${path}`),
  pieces.map((path) => `file:FOLDER/${path}`),
)

test('none fails in a way that nobody foresaw', async () => {
  const codes = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(addresses, async (address) => {
      const failed = await loader.load(address.replace('FOLDER', join(folder.path, 'etl'))).then(
        () => null,
        (error: unknown) => error,
      )
      const code = failed === null ? 'loaded' : failed instanceof AppError ? failed.code : String(failed)
      codes.set(code, (codes.get(code) ?? 0) + 1)
      expect(code).toMatch(/^(loaded|ETL_LOAD_FAILED)$/)
    }),
    { numRuns: 400 },
  )
  expect(codes.get('ETL_LOAD_FAILED')).toBeGreaterThan(100)
}, 60_000)

test.each([
  'http://%ff@127.0.0.1:1/x.js',
  'http://a:%ff@127.0.0.1:1/x.js',
  'git::http://127.0.0.1:1/r.git//x.js?ref=%00',
  'git::http://127.0.0.1:1/r.git//%00x.js',
  'git::https://a.git//x.js',
  'git::ssh://git@a.git//x.js',
])('%s is not well formed', async (address) => {
  await expect(loader.load(address)).rejects.toMatchObject({
    code: 'ETL_LOAD_FAILED',
    message: expect.stringContaining('not well formed'),
  })
})

const spelled = fc.constantFrom('./', '././', 'a/../', './/', '%2e/', 'b/./../')
const folders = fc.array(spelled, { maxLength: 4 }).map((parts) => parts.join(''))
const escaped = (text: string) =>
  fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((flags) =>
      [...text].map((letter, i) => (flags[i] ? `%${letter.charCodeAt(0).toString(16)}` : letter)).join(''),
    )

test('a place is spelled in one way, however it was written, and that spelling is its own', async () => {
  const places: [plain: string, written: fc.Arbitrary<string>][] = [
    [
      `file:${join(tmpdir(), 'etl', 'x.js')}`,
      fc
        .tuple(fc.constantFrom('', '//'), folders, escaped('x.js'))
        .map(([slashes, way, file]) => `file:${slashes}${tmpdir()}/${way}etl/${way}${file}`),
    ],
    [
      'file:./etl/x.js',
      fc
        .tuple(folders, escaped('etl'), escaped('x.js'), fc.boolean())
        .map(
          ([way, folder, file, isWhole]) =>
            `file:${isWhole ? `${process.cwd()}/` : ''}${way}${folder}/${way}${file}`,
        ),
    ],
    [
      'https://host.example/etl/x.js?v=1~2',
      fc
        .tuple(
          fc.constantFrom('https://HOST.example', 'HTTPS://me:pw@host.example:443'),
          folders,
          escaped('x.js'),
          escaped('1~2'),
        )
        .map(
          ([origin, way, file, version]) =>
            `${origin}/${way.replaceAll('//', '/')}etl/${file}?v=${version}#top`,
        ),
    ],
    [
      'git::https://host.example/org/repo.git//etl/x.js?ref=a/b',
      fc
        .tuple(
          fc.constantFrom('https://host.example', 'HTTPS://me@HOST.example:443'),
          escaped('repo.git'),
          escaped('x.js'),
          escaped('a/b'),
        )
        .map(
          ([origin, repository, file, ref]) =>
            `git::${origin}/x/../org/./${repository}//etl/${file}?ref=${ref}`,
        ),
    ],
    [
      'git::ssh://git@host.example/org/repo.git//x.js',
      fc
        .tuple(fc.constantFrom('host.example', 'HOST.example:22'), escaped('git'), escaped('org'))
        .map(([host, user, org]) => `git::ssh://${user}@${host}/${org}/./repo.git//x.js`),
    ],
    [
      'git::git@host.example:org/repo.git//x.js',
      folders.map(
        (way) =>
          `git::git@HOST.example:${way.replaceAll('//', '/').replaceAll('%2e', '.')}org/repo.git//x.js`,
      ),
    ],
    [
      'git::file://./repo//x.js?ref=v1',
      fc
        .tuple(fc.constantFrom('.', process.cwd(), 'file://.', `file://${process.cwd()}`), escaped('v1'))
        .map(([folder, ref]) => `git::${folder}/a/../repo//x.js?ref=${ref}`),
    ],
  ]
  for (const [plain, written] of places) {
    fc.assert(
      fc.property(written, (path) => {
        expect(loader.publicPath(path)).toBe(plain)
      }),
      { numRuns: 200 },
    )
  }
  fc.assert(
    fc.property(addresses, (address) => {
      let once: string
      try {
        once = loader.publicPath(address)
      } catch {
        return
      }
      expect(loader.publicPath(once)).toBe(once)
    }),
    { numRuns: 2000 },
  )
})

test.each([
  ['file:/a%2520b/x.js', 'file:/a%2520b/x.js'],
  ['file:/a b/x?.js', 'file:/a b/x%3F.js'],
  ['git::/r%20s//x%3f.js', 'git::file:///r%2520s//x%3F.js'],
  ['git::file:///r%20s//x%2525.js', 'git::file:///r s//x%2525.js'],
])('what is another place stays another: %s', (written, plain) => {
  expect(loader.publicPath(written)).toBe(plain)
})
