// Credentials, links and requests made to get in, or further in than allowed: each is refused, on both paths, and tells nothing.

import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import {
  base64url,
  CompactEncrypt,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { dataPaths } from '../../src/config/config.ts'
import { createClient } from '../http/client.ts'
import { type Gateway, openGateway } from '../http/gateway.ts'
import { inSeconds, startTokenIssuer, type TokenIssuer } from '../servers/token-issuer.ts'

let issuer: TokenIssuer
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let lookup: string
let datasetId: string
let csv: URL
let otherCsv: URL

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const as = async (...scopes: string[]) =>
  createClient(server.url, bearer(await issuer.sign({ scope: scopes.join(' ') })))

beforeAll(async () => {
  issuer = await startTokenIssuer()
  gateway = await openGateway({ ...issuer.settings, TRUST_PROXY: 'true' })
  server = await gateway.serve()
  const trainer = await as('train')
  const train = (sql: string) =>
    trainer.data<{
      queryTrain: { query: { id: string }; dataset: { id: string; downloads: { csv: string } } }
    }>(
      'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "n") { query { id } dataset { id downloads { csv } } } }',
      { sql },
    )
  const { queryTrain } = await train("SELECT i AS n, 'SECRET-ROW' AS s FROM range(3) r(i)")
  datasetId = queryTrain.dataset.id
  csv = new URL(queryTrain.dataset.downloads.csv)
  otherCsv = new URL((await train('SELECT 1 AS n')).queryTrain.dataset.downloads.csv)
  lookup = `{ queryRealtime(queryId: "${queryTrain.query.id}", indexKey: "n", indexValue: "1") { rows } }`
  // From here on the view is there, and the document is known to the hot path.
  expect(await (await as('realtime', 'catalog:write')).graphql(lookup)).toMatchObject({
    data: { queryRealtime: { rows: [{ n: 1, s: 'SECRET-ROW' }] } },
  })
})

afterAll(async () => {
  await server.close()
  await gateway.close()
  await issuer.stop()
})

/** What a request with such headers gets, from GraphQL on both paths and from REST. */
async function send(headers: Record<string, string>) {
  const body = (text: unknown) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(text),
  })
  const answers = []
  for (const query of [lookup, '{ apiKeys { totalCount } }']) {
    const response = await fetch(`${server.url}/graphql`, body({ query }))
    answers.push({ status: response.status, text: await response.text() })
  }
  const rest = await fetch(
    `${server.url}/query/realtime`,
    body({ query_id: 'qry_0', index_key: 'n', index_value: '1' }),
  )
  answers.push({ status: rest.status, text: await rest.text() })
  return answers
}

async function expectRefused(headers: Record<string, string>) {
  for (const { status, text } of await send(headers)) {
    expect(status).toBe(401)
    expect(text).toContain('"UNAUTHENTICATED"')
    expect(text).not.toMatch(/SECRET-ROW|node_modules|at .*\.ts|INTERNAL/)
  }
}

const encode = (part: unknown) => base64url.encode(JSON.stringify(part))
const adminClaims = (): JWTPayload => ({
  iss: issuer.issuer,
  aud: issuer.audience,
  sub: 'mallory',
  exp: inSeconds(60),
  scope: 'admin',
})
const unsigned = (header: object, signature = '') => `${encode(header)}.${encode(adminClaims())}.${signature}`

/** Signed by a key of the attacker's own, with whatever header says. */
async function forged(header: Partial<JWTHeaderParameters> = {}, claims: JWTPayload = adminClaims()) {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = await exportJWK(publicKey)
  const named = header.jwk === undefined ? header : { ...header, jwk }
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: issuer.newest().kid, ...named })
    .sign(privateKey)
}

/** Symmetric, with what everyone can read as the secret. */
async function confused(secret: string) {
  return new SignJWT(adminClaims())
    .setProtectedHeader({ alg: 'HS256', kid: issuer.newest().kid })
    .sign(new TextEncoder().encode(secret))
}

async function changed(change: (parts: [header: string, claims: string, signature: string]) => unknown[]) {
  const token = await issuer.sign({ scope: 'realtime' })
  return change(token.split('.') as [string, string, string]).join('.')
}

describe('tokens', () => {
  test.each<[name: string, token: () => string | Promise<string>]>([
    ['alg none', () => unsigned({ alg: 'none' })],
    ['alg None', () => unsigned({ alg: 'None', kid: issuer.newest().kid })],
    ['alg none, with a signature', () => unsigned({ alg: 'none' }, base64url.encode('x'))],
    ['no alg at all', () => unsigned({ typ: 'JWT' }, base64url.encode('x'))],
    [
      'HS256 with the public key as PEM',
      async () => {
        const key = await importJWK(issuer.newest().publicJwk, 'RS256')
        return confused(await exportSPKI(key as CryptoKey))
      },
    ],
    ['HS256 with the public key as JSON', () => confused(JSON.stringify(issuer.newest().publicJwk))],
    ['HS256 with an empty-looking secret', () => confused('\0')],
    ['another key under the issuer’s kid', () => forged()],
    ['a key of its own in the header (jwk)', () => forged({ jwk: {} })],
    ['its own key set by URL (jku)', () => forged({ jku: 'http://127.0.0.1:1/keys' })],
    ['its own certificate by URL (x5u)', () => forged({ x5u: 'http://127.0.0.1:1/cert' })],
    ['a kid that is a path', () => forged({ kid: '../../../../dev/null' })],
    ['a kid that is SQL', () => forged({ kid: "' OR 1=1 --" })],
    ['a kid from the prototype', () => forged({ kid: '__proto__' })],
    ['an unknown critical header', () => unsigned({ alg: 'RS256', crit: ['x'], x: 1 }, 'eA')],
    ['a payload that is not encoded', () => unsigned({ alg: 'RS256', b64: false, crit: ['b64'] }, 'eA')],
    ['its signature cut off', () => changed(([header, claims]) => [header, claims, ''])],
    ['its signature left out', () => changed(([header, claims]) => [header, claims])],
    [
      'its scope raised',
      () => changed(([header, , signature]) => [header, encode(adminClaims()), signature]),
    ],
    [
      'its algorithm renamed',
      () =>
        changed(([, claims, signature]) => [
          encode({ alg: 'PS256', kid: issuer.newest().kid }),
          claims,
          signature,
        ]),
    ],
    ['a fourth part', () => changed((parts) => [...parts, 'x'])],
    ['another audience', () => issuer.sign({ aud: 'another' })],
    ['audiences that only look alike', () => issuer.sign({ aud: ['feature-gateway ', 'Feature-Gateway'] })],
    ['another issuer', () => issuer.sign({ iss: `${issuer.issuer}/` })],
    ['no issuer', () => issuer.sign({ iss: undefined })],
    ['its time over', () => issuer.sign({ exp: inSeconds(-1) })],
    ['its time yet to come', () => issuer.sign({ nbf: inSeconds(600) })],
    ['no end', () => issuer.sign({ exp: undefined })],
    ['an end that is a text', () => issuer.sign({ exp: '9999999999' })],
    ['nobody as its subject', () => issuer.sign({ sub: '' })],
    ['a number as its subject', () => issuer.sign({ sub: 1 })],
    [
      'encryption instead of a signature',
      async () => {
        const secret = new Uint8Array(32)
        return new CompactEncrypt(new TextEncoder().encode(JSON.stringify(adminClaims())))
          .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
          .encrypt(secret)
      },
    ],
    ['ten thousand characters', () => issuer.sign({ sub: 'x'.repeat(7_000) })],
    ['nothing but dots', () => '..'],
    ['JSON', () => '{"alg":"none"}'],
  ])('with %s are refused', async (_name, make) => {
    await expectRefused(bearer(await make()))
  })

  test.each<[name: string, claims: JWTPayload]>([
    ['in capitals', { scope: 'ADMIN REALTIME' }],
    ['between commas', { scope: 'admin,realtime' }],
    ['as a pattern', { scope: '* catalog:* realtime*' }],
    ['as an object', { scp: { admin: true } }],
    ['as a list in a list', { scp: [['admin'], { admin: 1 }] }],
    ['under other names', { scopes: ['admin'], roles: ['admin'], permissions: ['admin'], role: 'admin' }],
    ['from the prototype', { scope: 'constructor __proto__ toString' }],
  ])('with scopes %s grant nothing', async (_name, claims) => {
    const [realtime, admin, rest] = await send(bearer(await issuer.sign(claims)))
    for (const answer of [realtime, admin, rest]) expect(answer?.text).toContain('"FORBIDDEN"')
    expect(realtime?.text).not.toContain('SECRET-ROW')
  })
})

describe('API keys', () => {
  const create = () =>
    gateway.services.access.keyDesk.create({ name: 'k', scopes: ['realtime'], expiresAt: null })

  test.each<[name: string, change: (token: string, other: string) => string]>([
    ['the secret of another', (token, other) => token.slice(0, 29) + other.slice(29)],
    [
      'a secret that differs in its last character',
      (token) => token.slice(0, -1) + (token.endsWith('A') ? 'E' : 'A'),
    ],
    ['half a secret', (token) => token.slice(0, -20)],
    ['its secret twice', (token) => token + token.slice(29)],
    ['no secret', (token) => token.slice(0, 29)],
    ['its name in capitals', (token) => `fgw_${token.slice(4, 28).toUpperCase()}${token.slice(28)}`],
    ['SQL as its name', (token) => `fgw_' OR secretSha256 IS NOT --${token.slice(28)}`],
    ['the hash that is stored', (token) => `${token.slice(0, 29)}${'a'.repeat(64)}`],
  ])('with %s are refused', async (_name, change) => {
    const { token } = await create()
    await expectRefused(bearer(change(token, (await create()).token)))
    await expectRefused({ 'x-api-key': change(token, (await create()).token) })
  })

  test('are not told apart by how a wrong one is answered', async () => {
    const { token } = await create()
    const unknown = `fgw_${'0'.repeat(24)}${token.slice(28)}`
    const wrong = token.slice(0, 29) + (await create()).token.slice(29)
    expect(await send(bearer(unknown))).toEqual(await send(bearer(wrong)))
  })
})

describe('requests', () => {
  test.each<[name: string, headers: (token: string) => Record<string, string>]>([
    ['Basic', (token) => ({ authorization: `Basic ${Buffer.from(`admin:${token}`).toString('base64')}` })],
    ['no scheme', (token) => ({ authorization: token })],
    ['no token', () => ({ authorization: 'Bearer ' })],
    ['two tokens', (token) => ({ authorization: `Bearer ${token}, Bearer ${token}` })],
    ['a scheme twice', (token) => ({ authorization: `Bearer Bearer ${token}` })],
    ['a token as x-api-key', (token) => ({ 'x-api-key': token })],
    ['a token and a key at once', (token) => ({ authorization: `Bearer ${token}`, 'x-api-key': token })],
    ['a cookie', (token) => ({ cookie: `authorization=Bearer ${token}; token=${token}` })],
    [
      'what a proxy would say',
      () => ({
        'x-forwarded-user': 'admin',
        'x-remote-user': 'admin',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-host': '127.0.0.1',
        'x-real-ip': '127.0.0.1',
      }),
    ],
    ['a method of its own choice', () => ({ 'x-http-method-override': 'GET' })],
  ])('with %s are refused', async (_name, headers) => {
    await expectRefused(headers(await issuer.sign({ scope: 'admin' })))
  })

  test('with the token in the URL or in the body are refused', async () => {
    const token = await issuer.sign({ scope: 'admin' })
    const inUrl = await fetch(
      `${server.url}/graphql?access_token=${token}&query=${encodeURIComponent(lookup)}`,
    )
    expect(inUrl.status).toBe(401)
    const inBody = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: lookup,
        extensions: bearer(token),
        headers: bearer(token),
        ...bearer(token),
      }),
    })
    expect(inBody.status).toBe(401)
  })

  test.each([
    '/GraphQL',
    '//graphql',
    '/graphql/',
    '/graphql%2f',
    '/./graphql',
    '/graphql;x',
    '/docs/../graphql',
    '/docs/..%2fgraphql',
    '/docs/%2e%2e/graphql',
    '/query/realtime/',
    '/Query/Realtime',
    '/healthz/../query/realtime',
  ])('to %s find no way around', async (path) => {
    for (const method of ['GET', 'POST']) {
      const response = await fetch(`${server.url}${path}?query=${encodeURIComponent(lookup)}`, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(method === 'POST' && { body: JSON.stringify({ query: lookup }) }),
      })
      expect([400, 401, 404, 405]).toContain(response.status)
      expect(await response.text()).not.toContain('SECRET-ROW')
    }
  })

  test.each([
    ['beside what is allowed', (l: string) => l.replace(/}$/, 'apiKeys { totalCount } }')],
    ['under an alias', () => '{ queryRealtime: apiKeys { edges { node { id name } } } }'],
    ['in a fragment', () => '{ ...F } fragment F on Query { datasets { edges { node { sql } } } }'],
    ['through node', () => `{ node(id: "${datasetId}") { ... on Dataset { sql rows } } }`],
    ['by a mutation that cancels', () => `mutation { cancelJob(id: "${datasetId}") { id } }`],
    ['by making itself a key', () => 'mutation { createApiKey(name: "x", scopes: ["admin"]) { token } }'],
  ])('that ask for more than their scope %s get nothing of it', async (_name, document) => {
    const answer = await (await as('realtime')).graphql(document(lookup))
    expect(answer.errors?.map(({ extensions }) => extensions.code)).toContain('FORBIDDEN')
    expect(JSON.stringify(answer)).not.toMatch(/fgw_|SELECT/)
  })

  test('that go from what is allowed to what is not get no further', async () => {
    const answer = await (await as('train')).graphql(
      `{ dataset(id: "${datasetId}") { query { sql featureViews { id query { sql } } } } }`,
    )
    expect(answer.errors?.[0]).toMatchObject({
      message: expect.stringContaining('FeatureView.id needs the scope catalog:read'),
    })
  })
})

describe('download links', () => {
  const hour = 3_600
  test.each<[name: string, change: (url: URL) => unknown]>([
    [
      'a later end',
      (url) => url.searchParams.set('expires', String(Number(url.searchParams.get('expires')) + hour)),
    ],
    ['an end that is no number', (url) => url.searchParams.set('expires', 'NaN')],
    ['an endless end', (url) => url.searchParams.set('expires', 'Infinity')],
    ['no end', (url) => url.searchParams.delete('expires')],
    ['no signature', (url) => url.searchParams.delete('signature')],
    ['an empty signature', (url) => url.searchParams.set('signature', '')],
    [
      'two signatures',
      (url) => url.searchParams.append('signature', url.searchParams.get('signature') ?? ''),
    ],
    [
      'the signature of another dataset',
      (url) => {
        url.search = otherCsv.search
      },
    ],
    [
      'another dataset',
      (url) => {
        url.pathname = otherCsv.pathname
      },
    ],
    [
      'another format',
      (url) => {
        url.pathname = url.pathname.replace('.csv', '.parquet')
      },
    ],
    [
      'its path written otherwise',
      (url) => {
        url.pathname = url.pathname.replace('dst_', '%64st_')
      },
    ],
    [
      'its signature padded',
      (url) => url.searchParams.set('signature', `${url.searchParams.get('signature')}=`),
    ],
    [
      'its signature in capitals',
      (url) => url.searchParams.set('signature', url.searchParams.get('signature')?.toUpperCase() ?? ''),
    ],
  ])('with %s are refused', async (_name, change) => {
    const url = new URL(csv)
    change(url)
    const response = await fetch(url)
    expect([response.status, await response.json()]).toEqual([
      403,
      { msg: 'Not allowed', code: 'FORBIDDEN', reason: expect.stringContaining('was altered') },
    ])
  })

  test('that have expired say so', async () => {
    const past = await gateway.serve({ config: gateway.config })
    const { createDownloadLinks } = await import('../../src/access/download-links.ts')
    const secret = await gateway.services.catalog.sharedSecrets.get('download links')
    const links = createDownloadLinks({ secret, lifetimeSeconds: -1 })
    const response = await fetch(`${past.url}${links.sign(csv.pathname)}`)
    expect([response.status, await response.json()]).toEqual([
      403,
      { msg: 'Not allowed', code: 'FORBIDDEN', reason: expect.stringContaining('expired at') },
    ])
    await past.close()
  })
})

describe('WebSockets', () => {
  async function open() {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    await once(socket, 'open')
    const said: string[] = []
    socket.on('message', (data) => said.push(String(data)))
    return { socket, said, say: (message: unknown) => socket.send(JSON.stringify(message)) }
  }
  const subscribe = { id: '1', type: 'subscribe' }

  test.each<[name: string, messages: unknown[], code: number]>([
    ['asks before it says who it is', [{ ...subscribe, payload: {} }], 4400],
    [
      'asks before it was let in',
      [
        { type: 'connection_init', payload: bearer('x') },
        { ...subscribe, payload: { query: '{ __typename }' } },
      ],
      4403,
    ],
    [
      'sends an object for a token',
      [{ type: 'connection_init', payload: { authorization: { toString: 'x' } } }],
      4403,
    ],
    [
      'sends a list for a token',
      [{ type: 'connection_init', payload: { authorization: ['Bearer x'] } }],
      4403,
    ],
    [
      'sends a prototype',
      [{ type: 'connection_init', payload: JSON.parse('{"__proto__": {"authorization": "Bearer x"}}') }],
      4403,
    ],
    [
      'sends a megabyte for a token',
      [{ type: 'connection_init', payload: bearer('x'.repeat(1_000_000)) }],
      1009,
    ],
  ])('that %s are closed', async (_name, messages, code) => {
    const { socket, said, say } = await open()
    const closed = once(socket, 'close')
    for (const message of messages) say(message)
    const [got] = (await closed) as [number]
    expect([code, 4401]).toContain(got)
    expect(said.join()).not.toContain('connection_ack')
  })
})

describe('where nobody is asked', () => {
  let open: Awaited<ReturnType<Gateway['serve']>>

  beforeAll(async () => {
    const auth = { ...gateway.config.auth, ownNamesOnly: true }
    const access = { ...gateway.services.access, isRequired: false }
    const config = { ...gateway.config, auth, trustProxy: false }
    open = await gateway.serve({ config, services: { ...gateway.services, access } })
  })

  afterAll(() => open.close())

  /** As a browser asks whose page has its own name point to this machine; fetch would not let it. */
  async function ask(host: string, method = 'POST', more: Record<string, string> = {}) {
    const body = method === 'POST' ? JSON.stringify({ query: lookup }) : ''
    const asked = request(`${open.url}/graphql`, {
      method,
      headers: {
        host,
        origin: `http://${host}`,
        'content-type': 'application/json',
        'content-length': body.length,
        ...more,
      },
    }).end(body)
    const [answered] = (await Promise.race([once(asked, 'response'), once(asked, 'upgrade')])) as [
      IncomingMessage,
    ]
    const told = answered.statusCode === 101 ? '' : await text(answered)
    asked.destroy()
    return { status: answered.statusCode, text: told }
  }

  test.each([
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '[fe80::1]',
    'localhost:80@evil.example',
  ])('a page of %s does not get in by that name', async (name) => {
    expect(await ask(name)).toEqual({ status: 403, text: expect.stringContaining('set AUTH=required') })
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'eA==',
    }
    expect((await ask(name, 'GET', upgrade)).status).toBe(403)
  })

  test.each(['localhost', '127.0.0.1:1', '[::1]:8080', 'gateway.localhost'])(
    'this machine’s own %s does',
    async (name) => {
      expect(await ask(name)).toMatchObject({ status: 200, text: expect.stringContaining('SECRET-ROW') })
    },
  )
})

test('the socket for commands is for the owner of DATA_DIR alone', async () => {
  const folder = dirname(dataPaths(gateway.config.dataDir).socket)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
})

test('after all of it the gateway serves', async () => {
  expect(await (await as('realtime')).graphql(lookup)).toMatchObject({
    data: { queryRealtime: { rows: [{ n: 1 }] } },
  })
})
