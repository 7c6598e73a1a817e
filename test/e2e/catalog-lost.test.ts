// A catalog whose PostgreSQL is away: what needs it says so and when to ask again, what does not goes on, and all is well once it is back.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { createSecret } from '../../src/access/api-key-token.ts'
import { createFolder } from '../servers/child.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { startProxy } from '../servers/proxy.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { type Settings, startGateway } from './gateway.ts'

let postgres: PostgresServer
let databases = 0

beforeAll(async () => {
  postgres = await startPostgres()
})

afterAll(() => postgres?.stop())

/** With the catalog alone on PostgreSQL, in a database of its own; `port` may be a proxy's. */
async function start(settings: Settings = {}, { port = postgres.port, parameters = '' } = {}) {
  const database = `catalog_${databases++}`
  await execute(postgres.url, `CREATE DATABASE ${database}`)
  const folder = await createFolder('catalog-lost')
  onTestFinished(folder.remove)
  const url = postgres.databaseUrl(database).replace(`:${postgres.port}/`, `:${port}/`)
  const gateway = await startGateway(folder.path, { CATALOG_URL: `${url}${parameters}`, ...settings })
  onTestFinished(gateway.stop)
  return gateway
}

type Gateway = Awaited<ReturnType<typeof start>>

async function prepare(gateway: Gateway) {
  const { queryTrain } = await gateway.data<{
    queryTrain: { query: { id: string }; dataset: { id: string } }
  }>(
    `mutation { queryTrain(query: "SELECT 'k' AS k, 1 AS n", queryName: "a") { query { id } dataset { id } } }`,
  )
  const queryId = queryTrain.query.id
  await gateway.lookUp(queryId, 'k', ['k'])
  return { queryId, datasetId: queryTrain.dataset.id }
}

const lost = expect.objectContaining({
  message: expect.stringMatching(
    /^The catalog’s database cannot be reached just now; ask again in a moment$/,
  ),
  extensions: {
    code: 'CATALOG_UNAVAILABLE',
    details: { retryAfterSeconds: 1 },
    requestId: expect.any(String),
  },
})

test('GraphQL and REST say to ask again, what needs no catalog is answered, and nothing is left broken', async () => {
  const gateway = await start()
  const { queryId, datasetId } = await prepare(gateway)
  await postgres.kill()
  try {
    const documents = [
      '{ savedQueries(first: 1) { edges { node { id } } } }',
      `{ savedQuery(id: "${queryId}") { id } }`,
      `{ dataset(id: "${datasetId}") { id } }`,
      '{ featureViews(first: 1) { edges { node { id } } } }',
      '{ publishJobs(first: 1) { edges { node { id } } } }',
      'mutation { publish(nFlows: 1) { id } }',
      'mutation { queryTrain(query: "SELECT 2 AS n", queryName: "b") { dataset { id } } }',
      'mutation { queryTrain(query: "SELECT 2 AS n", queryName: "b", save: false) { dataset { id } } }',
      `{ queryRealtime(queryId: "${queryId}", indexKey: "n", indexValue: "1") { rows } }`,
    ]
    for (const document of documents) {
      const { errors } = await gateway.graphql(document)
      expect(errors?.[0], document).toEqual(lost)
    }
    await expect(gateway.services.catalog.queue.send('publish', 'job_0')).rejects.toMatchObject({
      code: 'CATALOG_UNAVAILABLE',
    })
    for (const [method, path, body] of [
      ['POST', '/query/train?save=true', { query: 'SELECT 3 AS n', query_name: 'c' }],
      ['POST', '/query/realtime', { query_id: queryId, index_key: 'n', index_value: '1' }],
      ['POST', '/extract/train', { query_id: queryId, etl_path: 'etl_0' }],
      ['PUT', '/publish?n_flows=1', undefined],
      ['GET', `/datasets/${datasetId}.csv`, undefined],
    ] as const) {
      const response = await fetch(`${gateway.url}${path}`, {
        method,
        ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      })
      expect([path, response.status, response.headers.get('retry-after')]).toEqual([path, 503, '1'])
      expect(await response.json()).toEqual({
        msg: 'The catalog does not answer',
        reason: expect.stringContaining('ask again in a moment'),
        code: 'CATALOG_UNAVAILABLE',
      })
    }
    expect(await gateway.lookUp(queryId, 'k', ['k', 'none'])).toMatchObject([
      { rows: [{ n: 1 }] },
      { rows: [] },
    ])
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503)
    expect((await fetch(`${gateway.url}/metrics`)).status).toBe(200)
  } finally {
    await postgres.restart()
  }
  await expect.poll(async () => (await fetch(`${gateway.url}/readyz`)).status).toBe(200)
  const { status, body } = await gateway.rest('PUT', '/publish?n_flows=2')
  expect([status, body]).toEqual([200, expect.objectContaining({ msg: 'Published 2 flows' })])
  await prepare(gateway)
})

test('over a restart every request is answered as ever, or told to ask again', async () => {
  const gateway = await start()
  const { queryId } = await prepare(gateway)
  const codes = new Map<string, number>()
  let isOver = false
  async function keepAsking(document: (i: number) => string) {
    for (let i = 0; !isOver; i++) {
      const { errors } = await gateway.graphql(document(i))
      const code = errors?.[0]?.extensions.code ?? 'OK'
      codes.set(code, (codes.get(code) ?? 0) + 1)
      await sleep(2)
    }
  }
  const asking = [
    keepAsking(() => '{ savedQueries(first: 1) { totalCount edges { node { id } } } }'),
    keepAsking(() => `{ node(id: "${queryId}") { id } }`),
    keepAsking((i) => `mutation { updateSavedQuery(id: "${queryId}", description: "${i}") { id } }`),
    keepAsking(
      (i) => `mutation { queryTrain(query: "SELECT ${i} AS n", queryName: "r") { dataset { id } } }`,
    ),
    keepAsking(() => 'mutation { publish(nFlows: 1) { id } }'),
  ]
  for (let round = 0; round < 3; round++) {
    await sleep(300)
    await postgres.restart()
  }
  await expect.poll(async () => (await fetch(`${gateway.url}/readyz`)).status).toBe(200)
  const before = codes.get('OK') ?? 0
  await expect.poll(() => codes.get('OK')).toBeGreaterThan(before + 20)
  isOver = true
  await Promise.all(asking)
  expect([...codes.keys()].sort()).toEqual(['CATALOG_UNAVAILABLE', 'OK'])
})

test('callers who are known stay so; of a key that may be new it is said that it cannot be told', async () => {
  const gateway = await start({ AUTH: 'required' })
  const { token: key } = await gateway.services.access.keyDesk.create({
    name: 'a',
    scopes: ['admin'],
    expiresAt: null,
  })
  const stranger = createSecret('key_000000000000000000000000').token
  const ask = (token: string) =>
    fetch(`${gateway.url}/query/train`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
  expect((await ask(stranger)).status).toBe(401)
  await postgres.kill()
  try {
    expect((await ask(key)).status).toBe(400)
    expect((await ask(stranger)).status).toBe(503)
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'connection_init', payload: { Authorization: `Bearer ${stranger}` } }))
    // Upon 4403 a client would never come again.
    expect((await once(socket, 'close'))[0]).toBe(1013)
  } finally {
    await postgres.restart()
  }
  await expect.poll(async () => (await ask(stranger)).status).toBe(401)
})

test('behind a network that carries nothing a request is answered in the end', async () => {
  const proxy = await startProxy(postgres.port)
  onTestFinished(proxy.stop)
  const gateway = await start({}, { port: proxy.port, parameters: '?query_timeout=1000' })
  const { queryId } = await prepare(gateway)
  proxy.hang()
  const document = `{ savedQuery(id: "${queryId}") { id } }`
  expect((await gateway.graphql(document)).errors?.[0]).toEqual(lost)
  proxy.goOn()
  await expect.poll(async () => (await gateway.graphql(document)).errors).toBeUndefined()
})
