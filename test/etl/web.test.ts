// ETLs from the web and from folders, within what ETL_SOURCES allows.

import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isPrivateAddress } from '../../src/etl/source/private-address.ts'
import { createEtlLoader } from '../../src/etl/source/source.ts'
import { createFolder, runProgram } from '../servers/child.ts'

const log = pino({ level: 'silent' })
const source = 'export function transform(row) { return row }\n'

async function serve(listener: RequestListener) {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

type Served = Awaited<ReturnType<typeof serve>>
let web: Served
let other: Served
const authorizations: (string | undefined)[] = []

beforeAll(async () => {
  other = await serve((_, response) => response.end('export const secret = 1'))
  web = await serve((request, response) => {
    authorizations.push(request.headers.authorization)
    const path = new URL(request.url ?? '/', 'http://x').pathname
    const redirects: Record<string, string> = {
      '/moved.js': '/features.js',
      '/away.js': `${other.url}/features.js`,
      '/loop.js': '/loop.js',
      '/metadata.js': 'http://169.254.169.254/latest/meta-data/x.js',
      '/scheme.js': 'file:///etc/passwd',
      '/strange.js': 'http://[',
    }
    const location = redirects[path]
    if (location !== undefined) return response.writeHead(302, { location }).end()
    if (path === '/features.js' || path === '/features.sql') return response.end(source)
    if (path === '/page.js')
      return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>')
    if (path === '/broken.js')
      return response.writeHead(200, { 'content-length': '100' }).end('short', () => response.destroy())
    if (path === '/long.js') {
      const more = () => {
        while (response.write('x'.repeat(65_536)));
        response.once('drain', more)
      }
      return more()
    }
    return response.writeHead(404).end()
  })
})
afterAll(() => {
  web.stop()
  other.stop()
})

function createLoader(hosts: readonly string[] = [web.host], folders: readonly string[] = []) {
  return createEtlLoader({ sources: { hosts, folders }, temporaryFolder: tmpdir(), log })
}

describe('from the web', () => {
  test('a file is loaded, its language told by its extension', async () => {
    expect(await createLoader().load(`${web.url}/features.js`)).toEqual({
      path: `${web.url}/features.js`,
      language: 'JAVASCRIPT',
      commit: null,
      contentSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      source,
      name: 'features.js',
    })
    expect(await createLoader().load(`${web.url}/features.sql`)).toMatchObject({ language: 'SQL' })
    expect(await createLoader().load(`${web.url}/moved.js`)).toMatchObject({
      source,
      path: `${web.url}/moved.js`,
    })
  })

  test.each([
    ['/none.js', /status 404: there is no such file/],
    ['/away.js', /the host 127\.0\.0\.1:\d+ is not among those/],
    ['/loop.js', /redirected more than 5 times/],
    ['/metadata.js', /the host 169\.254\.169\.254 is not among those/],
    ['/scheme.js', /redirected it|is not among/],
    ['/strange.js', /no URL/],
    ['/page.js', /a web page; give the URL of the raw file/],
    ['/broken.js', /broke off/],
    ['/long.js', /longer than 1000000 bytes/],
    ['/features', /no extension that tells the language/],
  ])('%s is refused', async (path, message) => {
    const loaded = createLoader().load(web.url + path)
    await expect(loaded).rejects.toMatchObject({ code: 'ETL_LOAD_FAILED' })
    await expect(loaded).rejects.toThrow(message)
  })

  test('a private address must be named itself: by a pattern it is not allowed, not by its number nor by a name', async () => {
    const loader = createLoader(['*'])
    for (const host of [
      web.host,
      `localhost:${web.port}`,
      `[::1]:${web.port}`,
      `[::ffff:127.0.0.1]:${web.port}`,
      `2130706433:${web.port}`,
      `0x7f.1:${web.port}`,
    ]) {
      await expect(loader.load(`http://${host}/features.js`)).rejects.toThrow(
        /private address of the gateway's own network/,
      )
    }
    expect(
      await createLoader([`localhost:${web.port}`]).load(`http://localhost:${web.port}/features.js`),
    ).toMatchObject({ source })
  })

  test('credentials go to the host and to nobody else', async () => {
    const loader = createLoader()
    authorizations.length = 0
    const loaded = await loader.load(`http://me:pass%3Aword@${web.host}/moved.js?token=abc&v=1`)
    expect(loaded.path).toBe(`http://${web.host}/moved.js?v=1`)
    expect(authorizations).toEqual(
      [0, 1].map(() => `Basic ${Buffer.from('me:pass:word').toString('base64')}`),
    )
    const error: unknown = await loader
      .load(`http://me:pass%3Aword@${web.host}/none.js?token=abc`)
      .catch((reason: unknown) => reason)
    expect(JSON.stringify([error, (error as Error).message])).not.toMatch(/pass|abc/)
  })

  test('a host that does not answer is told by name', async () => {
    const gone = await serve(() => undefined)
    gone.stop()
    await expect(createLoader([gone.host]).load(`${gone.url}/x.js`)).rejects.toThrow(
      /cannot be reached \(ECONNREFUSED\)/,
    )
  })

  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.20.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '224.0.0.1',
  ])('%s is private', (address) => {
    expect(isPrivateAddress(address)).toBe(true)
  })

  test.each(['8.8.8.8', '140.82.121.4', '2606:4700::1111'])('%s is not', (address) => {
    expect(isPrivateAddress(address)).toBe(false)
  })
})

describe('from a folder', () => {
  test('a file is loaded by absolute and by relative path', async () => {
    const folder = await createFolder('etl-files')
    try {
      await writeFile(
        join(folder.path, 'features.mts'),
        '\ufeffexport function transform(row: object) { return row }\n',
      )
      const loader = createLoader([], [folder.path])
      const path = join(folder.path, 'features.mts')
      for (const given of [`file:${path}`, `file://${path}`, `file:${relative(process.cwd(), path)}`]) {
        const loaded = await loader.load(given)
        expect(loaded).toMatchObject({
          path: `file:${path}`,
          language: 'TYPESCRIPT',
          commit: null,
          name: 'features.mts',
        })
        expect(loaded.source.startsWith('export')).toBe(true)
      }
    } finally {
      await folder.remove()
    }
  })

  test('nothing outside of it is, whatever leads there, and what is no file is refused', async () => {
    const folder = await createFolder('etl-files')
    try {
      const inside = join(folder.path, 'inside')
      await mkdir(join(inside, 'folder.sql'), { recursive: true })
      await mkdir(join(folder.path, 'inside-too'))
      for (const place of ['secret.sql', 'inside-too/secret.sql'])
        await writeFile(join(folder.path, place), 'SELECT 1')
      await symlink(join(folder.path, 'secret.sql'), join(inside, 'link.sql'))
      await symlink(folder.path, join(inside, 'up'))
      await runProgram('mkfifo', [join(inside, 'pipe.sql')])
      await writeFile(join(inside, 'long.sql'), 'x'.repeat(1_000_001))
      await writeFile(join(inside, 'latin.sql'), Buffer.from([0x53, 0xe9, 0x20]))
      const loader = createLoader([], [inside])
      for (const file of [
        'link.sql',
        'up/secret.sql',
        '../secret.sql',
        '../inside-too/secret.sql',
        // Nobody learns what there is elsewhere.
        '../none.sql',
        '../none/none.sql',
        'up/none.sql',
      ]) {
        await expect(loader.load(`file:${inside}/${file}`)).rejects.toMatchObject({
          message: expect.stringMatching(/does not lie in a folder .* ETL_SOURCES=/),
          details: { why: 'FORBIDDEN' },
        })
      }
      for (const file of ['none.sql', 'none/none.sql', 'long.sql/none.sql']) {
        await expect(loader.load(`file:${inside}/${file}`)).rejects.toMatchObject({
          message: expect.stringContaining('there is no such file'),
          details: { why: 'MISSING' },
        })
      }
      await symlink('circle.sql', join(inside, 'circle.sql'))
      await expect(loader.load(`file:${inside}/circle.sql`)).rejects.toMatchObject({
        details: { why: 'UNREADABLE' },
      })
      const nowhere = createLoader([], [join(folder.path, 'nowhere')])
      await expect(nowhere.load(`file:${folder.path}/nowhere/a.sql`)).rejects.toMatchObject({
        message: expect.stringContaining('nowhere, which ETL_SOURCES names, is not there'),
        details: { why: 'MISSING' },
      })
      await expect(loader.load(`file:${inside}/folder.sql`)).rejects.toThrow(/is not a file/)
      await expect(loader.load(`file:${inside}/pipe.sql`)).rejects.toThrow(/is not a file/)
      await expect(loader.load(`file:${inside}/long.sql`)).rejects.toThrow(/longer than/)
      await expect(loader.load(`file:${inside}/latin.sql`)).rejects.toThrow(/not UTF-8/)
    } finally {
      await folder.remove()
    }
  })
})
