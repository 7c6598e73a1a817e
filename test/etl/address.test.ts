// Addresses of ETLs, made at random: whatever is written, it loads or the caller is told what is wrong with it.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { createEtlLoader, type EtlLoader } from '../../src/etl/source.ts'
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
  loader = createEtlLoader({ sources, log: testLog() })
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
])('%s is not well formed', async (address) => {
  await expect(loader.load(address)).rejects.toMatchObject({
    code: 'ETL_LOAD_FAILED',
    message: expect.stringContaining('not well formed'),
  })
})
