// Callers that sign in, by keys and tokens, over every transport and both paths: let in, refused, and put out when their time is over.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createSocketClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { inSeconds, startTokenIssuer, type TokenIssuer } from '../servers/token-issuer.ts'
import { createClient } from './client.ts'
import { type Gateway, openGateway } from './gateway.ts'

let issuer: TokenIssuer
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let queryId: string
let datasetId: string

beforeAll(async () => {
  issuer = await startTokenIssuer()
  gateway = await openGateway(issuer.settings)
  server = await gateway.serve()
  const { queryTrain } = await (await as('train', 'catalog:read')).data<{
    queryTrain: { query: { id: string }; dataset: { id: string } }
  }>(
    'mutation { queryTrain(query: "SELECT i AS n FROM range(3) r(i)", queryName: "n") { query { id } dataset { id } } }',
  )
  queryId = queryTrain.query.id
  datasetId = queryTrain.dataset.id
  // Those with `realtime` alone have none made.
  await (await as('catalog:write')).data(
    `mutation { createFeatureView(name: "n by n", queryId: "${queryId}", indexKey: "n") { id } }`,
  )
})

afterAll(async () => {
  await server.close()
  await gateway.close()
  await issuer.stop()
})

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const tokenOf = (...scopes: string[]) => issuer.sign({ scope: scopes.join(' ') })
const keyOf = (scopes: string[], expiresAt: Date | null = null) =>
  gateway.services.access.keyDesk.create({ name: 'a key', scopes, expiresAt })

/** A client that signs in with a token of these scopes. */
async function as(...scopes: string[]) {
  return createClient(server.url, bearer(await tokenOf(...scopes)))
}

const lookup = () =>
  `{ queryRealtime(queryId: "${queryId}", indexKey: "n", indexValue: "1") { status rows } }`
const found = { data: { queryRealtime: { status: 'FRESH', rows: [{ n: 1 }] } } }

async function post(url: string, body: unknown, headers: Record<string, string>) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const challenge = response.headers.get('www-authenticate')
  return { status: response.status, text: await response.text(), challenge }
}

function socketTo(options: { params?: Record<string, unknown>; headers?: Record<string, string> }) {
  const { params, headers = {} } = options
  return createSocketClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: class extends WebSocket {
      constructor(address: string, protocols: string) {
        super(address, protocols, { headers })
      }
    },
    ...(params && { connectionParams: params }),
    retryAttempts: 0,
    lazy: false,
    onNonLazyError: () => {},
  })
}

function closeOf(client: ReturnType<typeof socketTo>) {
  return new Promise<{ code: number; reason: string }>((resolve) =>
    client.on('closed', (event) => resolve(event as { code: number; reason: string })),
  )
}

const updates = () =>
  `subscription { featureUpdates(queryId: "${queryId}", indexKey: "n", indexValue: "1") { rows } }`

describe('API keys', () => {
  test('let in as a bearer and as x-api-key, and say who it is', async () => {
    const { key, token } = await keyOf(['realtime', 'train'])
    for (const headers of [bearer(token), { authorization: `bearer ${token}` }, { 'x-api-key': token }]) {
      const client = createClient(server.url, headers)
      expect(await client.data('{ me { name scopes expiresAt } }')).toEqual({
        me: { name: 'a key', scopes: ['realtime', 'train'], expiresAt: null },
      })
    }
    expect(JSON.stringify(await gateway.services.catalog.prisma.apiKey.findMany())).not.toContain(
      token.slice(-43),
    )
    expect(key).not.toHaveProperty('secretSha256')
  })

  test('are made, listed and revoked by admins over GraphQL', async () => {
    const admin = await as('admin')
    const { createApiKey } = await admin.data<{ createApiKey: { key: { id: string }; token: string } }>(
      'mutation { createApiKey(name: "ci", scopes: ["publish"], expiresAt: "2100-01-01T00:00:00Z") { key { id } token } }',
    )
    const client = createClient(server.url, bearer(createApiKey.token))
    expect(await client.data('{ me { name scopes } }')).toEqual({ me: { name: 'ci', scopes: ['publish'] } })
    const { id } = createApiKey.key
    expect(
      await admin.data(
        `{ apiKeys(first: 1) { edges { node { id name scopes revokedAt } } } node(id: "${id}") { id } }`,
      ),
    ).toEqual({
      apiKeys: { edges: [{ node: { id, name: 'ci', scopes: ['publish'], revokedAt: null } }] },
      node: { id },
    })
    await admin.data(`mutation { revokeApiKey(id: "${id}") { revokedAt } }`)
    await expect
      .poll(async () => (await client.graphql('{ __typename }')).errors?.[0]?.message)
      .toBe(`The API key ${id} was revoked`)
    expect(
      await admin.graphql('mutation { createApiKey(name: "x", scopes: ["root"]) { token } }'),
    ).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT' } }],
    })
  })

  test('that have expired are refused', async () => {
    const { key, token } = await keyOf(['realtime'], new Date(Date.now() + 1_000))
    const { prisma } = gateway.services.catalog
    expect(await prisma.apiKey.count({ where: { id: key.id } })).toBe(1)
    const client = createClient(server.url, bearer(token))
    await expect
      .poll(async () => (await client.graphql('{ __typename }')).errors)
      .toEqual([{ message: `The API key ${key.id} has expired`, extensions: { code: 'UNAUTHENTICATED' } }])
  })
})

describe('both paths', () => {
  test('answer callers byte for byte alike, whatever they may do', async () => {
    const tokens = {
      good: await tokenOf('realtime'),
      poor: await tokenOf('train'),
      bare: await tokenOf(),
      expired: await issuer.sign({ scope: 'realtime', exp: inSeconds(-5) }),
      key: (await keyOf(['realtime'])).token,
    }
    const headers = [
      {},
      { authorization: 'Basic eA==' },
      ...Object.values(tokens).map(bearer),
      { 'x-api-key': tokens.key },
    ]
    const rest = { query_id: queryId, index_key: 'n', index_value: '1' }
    for (const each of headers) {
      for (const [path, body] of [
        ['/graphql', { query: lookup() }],
        ['/query/realtime', rest],
      ] as const) {
        const answers = []
        // The second time it is remembered, and takes the hot path, which none with a query string does.
        for (const query of ['', '', '?by=yoga'])
          answers.push(await post(`${server.url}${path}${query}`, body, each))
        expect(answers[1]).toEqual(answers[0])
        expect(answers[2]).toEqual(answers[0])
      }
    }
    expect(
      JSON.parse((await post(`${server.url}/graphql`, { query: lookup() }, bearer(tokens.good))).text),
    ).toEqual(found)
    expect(await post(`${server.url}/query/realtime`, rest, bearer(tokens.poor))).toEqual({
      status: 403,
      text: '{"msg":"Not allowed","reason":"This needs the scope realtime; this caller has train","code":"FORBIDDEN"}',
      challenge: 'Bearer realm="feature-gateway", error="insufficient_scope", scope="realtime"',
    })
    expect(await post(`${server.url}/graphql`, { query: lookup() }, bearer(tokens.bare))).toMatchObject({
      status: 200,
      text: expect.stringContaining('Query.queryRealtime needs the scope realtime; this caller has none'),
    })
    expect(await post(`${server.url}/graphql`, { query: lookup() }, bearer(tokens.expired))).toMatchObject({
      status: 401,
      text: '{"errors":[{"message":"The token has expired","extensions":{"code":"UNAUTHENTICATED"}}]}',
      challenge: 'Bearer realm="feature-gateway", error="invalid_token"',
    })
  })

  test('forget a token when it expires, and a key when it is revoked', async () => {
    const token = await issuer.sign({ scope: 'realtime', exp: inSeconds(5) })
    const { key, token: keyToken } = await keyOf(['realtime'])
    const ask = async (each: string) =>
      (await post(`${server.url}/graphql`, { query: lookup() }, bearer(each))).status
    for (const each of [token, keyToken]) for (let i = 0; i < 3; i++) expect(await ask(each)).toBe(200)
    await gateway.services.access.keyDesk.revoke(key.id)
    for (const each of [token, keyToken]) await expect.poll(() => ask(each)).toBe(401)
  })
})

describe('other transports', () => {
  test('a WebSocket signs in by connection_init, or by the headers of its upgrade', async () => {
    const token = await tokenOf('realtime')
    const { token: key } = await keyOf(['realtime'])
    const ways = [
      { params: { Authorization: `Bearer ${token}` } },
      { params: { 'x-api-key': key } },
      { headers: bearer(token) },
      { params: bearer(key), headers: bearer('of no use') },
    ]
    for (const way of ways) {
      const client = socketTo(way)
      expect((await client.iterate({ query: lookup() }).next()).value).toEqual(found)
      const refused = await client.iterate({ query: '{ savedQueries { totalCount } }' }).next()
      expect(refused.value).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
      const notBegun = await client
        .iterate({ query: 'subscription { publishProgress(jobId: "job_0") { done } }' })
        .next()
      expect(notBegun.value).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
      await client.dispose()
    }
  })

  test.each([
    ['nothing', {}, 'Send an API key or a token as "Authorization" in connection_init'],
    [
      'what is no token',
      { params: bearer('nonsense') },
      'What was sent is neither an API key nor a JSON Web Token',
    ],
  ])('a WebSocket that brings %s is closed with 4403 and told why', async (_what, way, reason) => {
    expect(await closeOf(socketTo(way))).toMatchObject({ code: 4403, reason })
  })

  test('event streams need a scope from their beginning', async () => {
    const refused = createSseClient({
      url: `${server.url}/graphql`,
      headers: bearer(await tokenOf('train')),
      retryAttempts: 0,
    })
    const first = await refused.iterate({ query: updates() }).next()
    expect(first.value).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
    refused.dispose()
  })

  test.each(['a token expires', 'a key is revoked'])('streams that are open end when %s', async (how) => {
    const { key, token } = await keyOf(['realtime'])
    const expiring = how === 'a token expires'
    const headers = bearer(expiring ? await issuer.sign({ scope: 'realtime', exp: inSeconds(6) }) : token)

    const socket = socketTo({ params: headers })
    const closed = closeOf(socket)
    const overSocket = socket.iterate({ query: updates() })
    expect((await overSocket.next()).value).toMatchObject({ data: { featureUpdates: { rows: [{ n: 1 }] } } })
    const stream = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body: JSON.stringify({ query: updates() }),
    })
    expect(stream.status).toBe(200)

    if (!expiring) await gateway.services.access.keyDesk.revoke(key.id)
    expect(await closed).toMatchObject({
      code: 4403,
      reason: `What you signed in with ${expiring ? 'has expired' : 'was revoked'}`,
    })
    const events = await stream.text()
    expect(events).toContain('"n":1')
    expect(events).not.toContain('event: complete')
    await socket.dispose()
  })

  test('a client that signs in anew after its token expired goes on', async () => {
    const tokens = [await issuer.sign({ scope: 'realtime', exp: inSeconds(5) }), await tokenOf('realtime')]
    const client = createSocketClient({
      url: `${server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: () => bearer(tokens.shift() ?? ''),
      shouldRetry: () => true,
      retryWait: async () => {},
    })
    const stream = client.iterate({ query: updates() })
    await stream.next()
    // The second state is told by the second connection.
    expect((await stream.next()).value).toMatchObject({ data: { featureUpdates: { rows: [{ n: 1 }] } } })
    expect(tokens).toEqual([])
    await stream.return?.()
    await client.dispose()
  })

  test('GraphiQL’s page is open, its schema is not', async () => {
    const page = await fetch(`${server.url}/graphql`, { headers: { accept: 'text/html' } })
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('Authorization')
    expect(
      (await post(`${server.url}/graphql`, { query: '{ __schema { types { name } } }' }, {})).status,
    ).toBe(401)
  })
})

describe('downloads', () => {
  const linksOf = async () => {
    const { dataset } = await (await as('train')).data<{ dataset: { downloads: Record<string, string> } }>(
      `{ dataset(id: "${datasetId}") { downloads { parquet csv } } }`,
    )
    return dataset.downloads
  }

  test('need nothing but their signed link, ranges too', async () => {
    const { parquet = '', csv = '' } = await linksOf()
    expect(await (await fetch(csv)).text()).toBe('n\r\n0\r\n1\r\n2\r\n')
    const range = await fetch(parquet, { headers: { range: 'bytes=0-3' } })
    expect([range.status, await range.text()]).toEqual([206, 'PAR1'])
    expect((await fetch(parquet, { method: 'HEAD' })).status).toBe(200)
  })

  test('take the headers of a caller with train as well', async () => {
    const url = `${server.url}/datasets/${datasetId}.csv`
    expect((await fetch(url)).status).toBe(401)
    expect((await fetch(url, { headers: bearer(await tokenOf('realtime')) })).status).toBe(403)
    expect(await (await fetch(url, { headers: bearer(await tokenOf('train')) })).text()).toBe(
      'n\r\n0\r\n1\r\n2\r\n',
    )
  })

  test('are refused to who sees the catalog only', async () => {
    const reader = await as('catalog:read')
    expect(await reader.data(`{ dataset(id: "${datasetId}") { rowCount } }`)).toEqual({
      dataset: { rowCount: 3 },
    })
    for (const field of ['rows', 'downloads { csv }']) {
      expect(await reader.graphql(`{ dataset(id: "${datasetId}") { ${field} } }`)).toMatchObject({
        errors: [{ extensions: { code: 'FORBIDDEN', details: { needs: ['train'] } } }],
      })
    }
  })
})

test('rate limits count by who signs in', async () => {
  const limited = await gateway.serve({
    config: { ...gateway.config, rateLimit: { requests: 5, windowMs: 3_600_000 } },
  })
  const ask = async (token: string) =>
    (await post(`${limited.url}/graphql`, { query: '{ __typename }' }, bearer(token))).status
  const [ada, grace] = [(await keyOf(['train'])).token, (await keyOf(['train'])).token]
  // Found out who it is, which counts for the address.
  for (const token of [ada, grace]) expect(await ask(token)).toBe(200)
  for (let i = 0; i < 5; i++) expect(await ask(ada)).toBe(200)
  expect(await ask(ada)).toBe(429)
  expect(await ask(grace)).toBe(200)
  await limited.close()
})

describe('npm run keys', () => {
  const run = async (...args: string[]) => {
    const env = { PATH: process.env.PATH, DATA_DIR: gateway.config.dataDir }
    return promisify(execFile)(process.execPath, ['src/operations/keys.ts', ...args], { env }).catch(
      (error: { stdout: string; stderr: string; code: number }) => error,
    )
  }

  test('makes, lists and revokes keys while a gateway has the embedded catalog open', async () => {
    const { stdout, stderr } = await run(
      'create',
      '--name',
      'nightly',
      '--scope',
      'train',
      '--scope',
      'publish',
      '--expires',
      '90d',
    )
    expect(stdout).toMatch(/^fgw_[0-9a-z]{24}_[\w-]{43}\n$/)
    const [id = ''] = /key_[0-9a-z]{24}/.exec(stderr) ?? []
    const client = createClient(server.url, bearer(stdout.trim()))
    expect(await client.data('{ me { name scopes } }')).toEqual({
      me: { name: 'nightly', scopes: ['train', 'publish'] },
    })
    expect((await run('list')).stdout).toMatch(
      new RegExp(`^${id} {2}nightly {2}train,publish {2}expires `, 'm'),
    )
    expect((await run('revoke', id)).stdout).toContain('revoked')
    expect((await client.graphql('{ __typename }')).errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED')
  })

  test.each([
    [['create', '--name', 'x'], 'create needs --scope'],
    [['create', '--name', 'x', '--scope', 'root'], 'A scope "root" is unknown'],
    [['create', '--name', 'x', '--scope', 'train', '--expires', 'soon'], '--expires takes 90d, 12h'],
    [['create', '--name', '', '--scope', 'train'], 'The name of an API key has 1 to 200 characters'],
    [['revoke', 'key_0'], 'There is no API key "key_0"'],
    [['destroy'], '"destroy" is none of create, list, revoke'],
  ])('%j is refused with a sentence', async (args, sentence) => {
    const result = await run(...args)
    expect(result).toMatchObject({ code: 1, stdout: '' })
    expect(result.stderr).toContain(sentence)
  })
})

describe('of whom nobody knows', () => {
  /** The head's end of an exchange whose body never comes whole. */
  async function sendPart(path: string, headers: string, part: string) {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    let received = ''
    socket.on('data', (piece) => {
      received += String(piece)
    })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n${headers}\r\n${part}`,
    )
    await expect.poll(() => received, { timeout: 10_000 }).toContain('HTTP/1.1')
    socket.destroy()
    return received.split('\r\n')[0]
  }

  test.each([
    ['/graphql', '', 401],
    ['/query/realtime', '', 401],
    ['/query/realtime', 'Authorization: Bearer x\r\n', 401],
    ['/query/train', '', 401],
    ['/nowhere', '', 404],
  ])('a body for %s (%j) is not waited for', async (path, headers, status) => {
    expect(await sendPart(path, headers, '')).toContain(String(status))
    expect(await sendPart(path, headers, '{"query":"'.padEnd(900_000, 'x'))).toContain(String(status))
  })
})
