// Requests made to hurt, below GraphQL: bodies, headers, paths, WebSockets; and addresses that an ETL may not come from.

import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { marker, openTarget, type Target } from './gateway.ts'

let target: Target
let datasetId: string

beforeAll(async () => {
  target = await openTarget({ ETL_SOURCES: '*' })
  const { data } = await target.train('SELECT 1 AS a')
  datasetId = data?.queryTrain.dataset.id ?? ''
})

afterAll(() => target?.close())

afterEach(async () => {
  expect(await target.graphql('{ __typename }')).toEqual({ data: { __typename: 'Query' } })
})

/** Sends the very bytes; all that comes back until the server closes, or ends its first answer. */
async function sendRaw(text: string): Promise<string> {
  const { hostname, port } = new URL(target.url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    answer += chunk
    if (answer.includes('\r\n\r\n')) setTimeout(() => socket.destroy(), 50)
  })
  socket.on('error', () => undefined)
  socket.write(text)
  // Whether it is closed or reset.
  await new Promise((resolve) => socket.once('close', resolve))
  return answer
}

const post = (path: string, type: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`
const json = 'application/json'
const typename = '{"query":"{ __typename }"}'

describe('a request that is no good is refused with a status of the 400s, and tells nothing:', () => {
  test.each<[name: string, text: () => string, status: RegExp]>([
    [
      'a mutation as plain text',
      () => post('/graphql', 'text/plain', '{"query":"mutation { __typename }"}'),
      /^4/,
    ],
    [
      'a mutation as a form',
      () => post('/graphql', 'application/x-www-form-urlencoded', 'query=mutation{__typename}'),
      /^4/,
    ],
    [
      'a mutation as multipart',
      () =>
        post(
          '/graphql',
          'multipart/form-data; boundary=a',
          '--a\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"mutation { __typename }"}\r\n--a--',
        ),
      /^4/,
    ],
    ['REST as plain text', () => post('/query/train', 'text/plain', '{"query":"SELECT 1"}'), /^4/],
    [
      'a body of another charset',
      () => post('/graphql', 'application/json; charset=utf-16', typename),
      /^(2|4)/,
    ],
    [
      '__proto__ in a REST body',
      () => post('/query/train', json, '{"query":"SELECT 1","__proto__":{"save":true}}'),
      /^4/,
    ],
    [
      'constructor.prototype in a REST body',
      () => post('/query/train', json, '{"query":"SELECT 1","constructor":{"prototype":{"polluted":1}}}'),
      /^4/,
    ],
    ['a number beyond all', () => post('/query/train', json, '{"query":1e999}'), /^4/],
    ['a body that ends too early', () => post('/query/train', json, '{"query":"SELECT 1"'), /^4/],
    [
      'a body nested a hundred thousand deep',
      () => post('/query/train', json, `{"query":${'['.repeat(1e5)}${']'.repeat(1e5)}}`),
      /^4/,
    ],
    [
      'a body that says it has 4 GB',
      () =>
        `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${json}\r\nContent-Length: 4294967296\r\n\r\n{`,
      /^413/,
    ],
    [
      'two lengths',
      () =>
        `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${json}\r\nContent-Length: 5\r\nContent-Length: 26\r\n\r\n${typename}`,
      /^400/,
    ],
    [
      'a length and chunks',
      () =>
        `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${json}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^400/,
    ],
    ['headers without end', () => get('/readyz', `X-A: ${'a'.repeat(100_000)}\r\n`), /^(431|$)/],
    ['a NUL in a header', () => get('/readyz', 'X-A: a\0b\r\n'), /^400/],
    ['dots in a dataset’s name', () => get('/datasets/..%2fsecret.csv'), /^4/],
    ['dots in a path', () => get('/datasets/../../secret.csv'), /^4/],
    ['a NUL in a dataset’s name', () => get(`/datasets/${datasetId}%00.csv`), /^4/],
    ['a dataset of no format', () => get(`/datasets/${datasetId}.exe`), /^4/],
    ['a line’s end in a dataset’s name', () => get(`/datasets/${datasetId}%0d%0aX-Evil:%201.csv`), /^4/],
    [
      'dots beneath the documentation',
      () => get('/docs/static/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd'),
      /^4/,
    ],
    ['a path that is no text', () => get('/%ff%fe%'), /^4/],
    [
      'ranges that are none',
      () => get(`/datasets/${datasetId}.parquet`, 'Range: bytes=9-1,-,x\r\n'),
      /^(2|4)/,
    ],
    ['a method that is none', () => 'EVIL / HTTP/1.1\r\nHost: localhost\r\n\r\n', /^4/],
    [
      'a WebSocket from another site',
      () =>
        get(
          '/graphql',
          'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://evil.example\r\n',
        ),
      /^403/,
    ],
    [
      'a WebSocket elsewhere',
      () =>
        get(
          '/readyz',
          'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
        ),
      /^404/,
    ],
  ])('%s', async (_name, text, status) => {
    const answer = await sendRaw(text())
    expect(answer.slice('HTTP/1.1 '.length)).toMatch(status)
    expect(answer).not.toMatch(/\n\s+at |node_modules|X-Evil: 1/)
    expect(answer).not.toContain(marker)
    expect(answer).not.toContain(target.folder)
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })
})

/** The code that the socket is closed with once all has been sent. */
async function closedWith(messages: readonly (string | Buffer)[]): Promise<number> {
  const socket = new WebSocket(`${target.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  socket.on('error', () => undefined)
  await once(socket, 'open')
  const closed = once(socket, 'close')
  for (const message of messages) socket.send(message)
  const [code] = await closed
  return Number(code)
}

describe('a WebSocket that misbehaves is closed:', () => {
  const init = '{"type":"connection_init"}'
  test.each<[name: string, messages: () => (string | Buffer)[], code: number]>([
    ['a message that is no JSON', () => ['{'], 4400],
    ['a message of an unknown type', () => [init, '{"type":"evil"}'], 4400],
    [
      'a subscription before connection_init',
      () => ['{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}'],
      4401,
    ],
    ['connection_init twice', () => [init, init], 4429],
    ['a message of 40 MB', () => [init, Buffer.alloc(40_000_000, 'a').toString()], 1009],
    ['a payload that is a list', () => [init, '{"id":"1","type":"subscribe","payload":[]}'], 4400],
    [
      'a payload with __proto__',
      () => [init, '{"id":"1","type":"subscribe","payload":{"__proto__":{"query":"{ __typename }"}}}'],
      4400,
    ],
  ])('%s', async (_name, messages, code) => {
    expect(await closedWith(messages())).toBe(code)
  })
})

describe('no ETL comes from the gateway’s own network or disk:', () => {
  test.each([
    ['loopback', 'http://127.0.0.1/a.js'],
    ['loopback in decimal', 'http://2130706433/a.js'],
    ['loopback in octal', 'http://0177.0.0.1/a.js'],
    ['loopback in hex', 'http://0x7f000001/a.js'],
    ['loopback in short', 'http://127.1/a.js'],
    ['loopback in IPv6', 'http://[::1]/a.js'],
    ['loopback mapped into IPv6', 'http://[::ffff:7f00:1]/a.js'],
    ['loopback by NAT64', 'http://[64:ff9b::7f00:1]/a.js'],
    ['localhost', 'http://localhost/a.js'],
    ['localhost with a dot', 'http://localhost./a.js'],
    ['the cloud’s metadata', 'http://169.254.169.254/latest/meta-data/a.js'],
    ['a private network', 'https://10.0.0.1/a.js'],
    ['nowhere', 'http://0.0.0.0/a.js'],
    ['loopback by git', 'git::http://127.0.0.1/a.git//a.js'],
    ['loopback by git in decimal', 'git::https://2130706433/a.git//a.js'],
    ['localhost by git', 'git::https://localhost/a.git//a.js'],
    ['loopback by ssh', 'git::ssh://git@127.0.0.1/a.git//a.js'],
    ['loopback by ssh in decimal', 'git::ssh://git@2130706433/a.git//a.js'],
    ['localhost by ssh in short', 'git::git@localhost:a.git//a.js'],
    ['the disk', 'file:/etc/passwd'],
    ['the disk as a script', 'file:///etc/hosts.js'],
    ['the disk by git', 'git::file:///tmp//a.js'],
    ['a command by git', 'git::ext::sh -c "touch /tmp/evil"//a.js'],
    ['an option by git', 'git::https://example.com/a.git//a.js?ref=--upload-pack=evil'],
    ['another scheme', 'gopher://127.0.0.1/a.js'],
    ['data', 'data:text/javascript,export function transform(row) { return row }'],
  ])('%s', async (_name, path) => {
    const document = `query ($path: String!) {
      extractRealtime(queryId: "${queryOf()}", etlPath: $path, indexKey: "a", indexValue: "1") { rows }
    }`
    const answer = await target.graphql(document, { path })
    expect(answer.errors?.[0]?.extensions.code).toBe('ETL_LOAD_FAILED')
    expect(answer.errors?.[0]?.message).not.toContain('root:')
  })

  let saved = ''
  const queryOf = () => saved
  beforeAll(async () => {
    const { queryTrain } = await target.data<{ queryTrain: { query: { id: string } } }>(
      'mutation { queryTrain(query: "SELECT 1 AS a", queryName: "etl") { query { id } } }',
    )
    saved = queryTrain.query.id
  })

  test('by a link or a folder that leads out of an allowed one, and credentials are told nowhere', async () => {
    const allowed = join(target.folder, 'allowed')
    await mkdir(allowed)
    await writeFile(
      join(target.folder, 'outside.js'),
      `export function transform() { return { v: '${marker}' } }`,
    )
    await symlink(join(target.folder, 'outside.js'), join(allowed, 'link.js'))
    await symlink(target.folder, join(allowed, 'folder'))
    const other = await openTarget({ ETL_SOURCES: `${allowed},nowhere.invalid` })
    try {
      const load = (path: string) =>
        other.graphql(
          `mutation ($path: String!) { extractTrain(queryId: "qry_0", etlPath: $path) { etl { id } } }`,
          { path },
        )
      for (const path of ['link.js', 'folder/outside.js', '../outside.js', '%2e%2e/outside.js'])
        expect(JSON.stringify(await load(`file:${allowed}/${path}`))).not.toContain(marker)
      const secret = await load('git::https://me:hunter2hunter2@nowhere.invalid/a.git//a.js')
      expect(JSON.stringify(secret)).not.toContain('hunter2')
      expect(other.logged.join('')).not.toContain('hunter2')
    } finally {
      await other.close()
    }
  })
})
