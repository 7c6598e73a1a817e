// SIGTERM under load: no request fails, no job is lost, and who follows something follows it on after the next start.

import { setTimeout as sleep } from 'node:timers/promises'
import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createSocketClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { publishAndFollow, train } from '../../examples/client/features.ts'
import { createDataFolder } from '../data-folder.ts'
import { createFolder, freePort } from '../servers/child.ts'
import { spawnGateway } from './gateway.ts'
import { startLoad } from './load.ts'
import { openServers } from './stores.ts'

type Gateway = Awaited<ReturnType<typeof spawnGateway>>

const patience = { timeout: 90_000, interval: 100 }

/** A second or two, however many cores there are. */
const slowQuery =
  'WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 50000) SELECT count(*) AS n FROM t'

async function startTraining(gateway: Gateway, query: string, name: string) {
  const { queryTrain } = await gateway.data<{ queryTrain: { dataset: { id: string } } }>(
    'mutation ($query: String!, $name: String!) { queryTrain(query: $query, queryName: $name, waitMs: 0) { dataset { id } } }',
    { query, name },
  )
  return queryTrain.dataset.id
}

async function statusOf(gateway: Gateway, datasetId: string) {
  const { dataset } = await gateway.data<{ dataset: { status: string; error: string | null } }>(
    'query ($id: ID!) { dataset(id: $id) { status error } }',
    { id: datasetId },
  )
  return dataset
}

async function prepareLookups(gateway: Gateway) {
  await publishAndFollow(gateway.typed, { nFlows: 300, seed: 5 }, () => {})
  const { query, dataset } = await train(gateway.typed, 'SELECT * FROM feature_store.users', 'users')
  const users = dataset.rows.map((row) => String(row.user_id)).slice(0, 20)
  const queryId = query?.id ?? ''
  const bodies = users.flatMap((user) => [
    JSON.stringify({ query_id: queryId, index_key: 'user_id', index_value: user }),
    JSON.stringify({
      query: `query ($q: ID!, $v: String!) { queryRealtime(queryId: $q, indexKey: "user_id", indexValue: $v) { status rows } }`,
      variables: { q: queryId, v: user },
    }),
    JSON.stringify({ query: '{ savedQueries(first: 2) { totalCount } }' }),
  ])
  return { queryId, user: users[0] ?? '', bodies }
}

describe('a gateway that is told to stop', () => {
  let folder: Awaited<ReturnType<typeof createFolder>>
  let settings: Record<string, string>
  let gateway: Gateway

  beforeAll(async () => {
    folder = await createDataFolder('stopping')
    settings = { PORT: `${await freePort()}`, TRAIN_CONCURRENCY: '1' }
    gateway = await spawnGateway(folder.path, settings)
  })
  afterAll(async () => {
    await gateway?.kill()
    await folder.remove()
  })

  test('answers all that is under way, hands its jobs to the next start, and subscribers go on there', async () => {
    const { queryId, user, bodies } = await prepareLookups(gateway)
    const subscription = `subscription { featureUpdates(queryId: "${queryId}", indexKey: "user_id", indexValue: "${user}") { rows } }`
    const seen = { socket: 0, stream: 0 }
    // Node's own WebSocket tells of a refused connection otherwise than a browser's.
    const retry = {
      retryAttempts: 1000,
      shouldRetry: () => true,
      retryWait: () => sleep(200),
      retry: () => sleep(200),
    }
    const socket = createSocketClient({ url: `${gateway.url.replace('http', 'ws')}/graphql`, ...retry })
    socket.subscribe(
      { query: subscription },
      { next: () => seen.socket++, error: () => undefined, complete: () => undefined },
    )
    const stream = createSseClient({ url: `${gateway.url}/graphql`, ...retry })
    stream.subscribe(
      { query: subscription },
      { next: () => seen.stream++, error: () => undefined, complete: () => undefined },
    )
    await vi.waitFor(() => expect(seen).toEqual({ socket: 1, stream: 1 }), patience)

    const load = startLoad(gateway.url, bodies, 8)
    const datasets = await Promise.all(
      [1, 2, 3, 4].map((i) => startTraining(gateway, slowQuery, `slow_${i}`)),
    )
    const { publish } = await gateway.data<{ publish: { id: string } }>(
      'mutation { publish(nFlows: 20000, seed: 6) { id } }',
    )
    const waiting = gateway.graphql(
      `mutation { queryTrain(query: "${slowQuery}", queryName: "slow_0", waitMs: 60000) { dataset { id status } } }`,
    )
    await vi.waitFor(() => expect(load.answered()).toBeGreaterThan(200), patience)
    expect(load.askedToLeave()).toBe(false)

    const stopped = gateway.stop()
    expect(await stopped).toBe(0)
    await load.refused()
    expect(load.failures).toEqual([])
    expect(load.askedToLeave()).toBe(true)
    const waited = await waiting
    expect(waited.errors).toBeUndefined()

    gateway = await spawnGateway(folder.path, settings)
    const { dataset } = (waited.data?.queryTrain ?? {}) as { dataset: { id: string; status: string } }
    expect(dataset.status).toBe('QUEUED')
    await vi.waitFor(async () => {
      for (const id of [...datasets, dataset.id]) {
        expect(await statusOf(gateway, id)).toEqual({ status: 'SUCCEEDED', error: null })
      }
    }, patience)
    expect(gateway.output.join('\n')).toContain('A dataset that was handed back is made')
    let last: unknown
    const follow = 'subscription ($jobId: ID!) { publishProgress(jobId: $jobId) { status done } }'
    for await (const event of gateway.follow(follow, { jobId: publish.id })) last = event
    expect(last).toEqual({ publishProgress: { status: 'SUCCEEDED', done: 20_000 } })
    await vi.waitFor(() => {
      expect(seen.socket).toBeGreaterThan(1)
      expect(seen.stream).toBeGreaterThan(1)
    }, patience)
    await socket.dispose()
    stream.dispose()
  }, 240_000)

  test('says so on /readyz at once, and serves on for DRAIN_SECONDS', async () => {
    await gateway.stop()
    gateway = await spawnGateway(folder.path, { ...settings, DRAIN_SECONDS: '2' })
    const load = startLoad(gateway.url, [JSON.stringify({ query: '{ __typename }' })], 2)
    const startedAt = performance.now()
    const stopped = gateway.stop()
    await vi.waitFor(async () => {
      const response = await fetch(`${gateway.url}/readyz`)
      expect([response.status, response.headers.get('connection')]).toEqual([503, 'close'])
      expect(await response.json()).toMatchObject({ status: 'stopping' })
    }, patience)
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
    expect(await stopped).toBe(0)
    expect(performance.now() - startedAt).toBeGreaterThan(2000)
    await load.refused()
    expect(load.failures).toEqual([])
  })
})

describe('several gateways on the same stores', () => {
  let servers: Awaited<ReturnType<typeof openServers>>
  const folders: Awaited<ReturnType<typeof createFolder>>[] = []
  const gateways: Gateway[] = []

  beforeAll(async () => {
    servers = await openServers()
  })
  afterAll(async () => {
    for (const gateway of gateways) await gateway.kill()
    await servers?.stop()
    for (const folder of folders) await folder.remove()
  })

  async function start(settings: Record<string, string>) {
    const folder = await createFolder('stopping')
    folders.push(folder)
    const gateway = await spawnGateway(folder.path, settings)
    gateways.push(gateway)
    return gateway
  }

  test('lose no request when the workers of one stop, and the other makes what they had begun', async () => {
    const datasetsFolder = await createFolder('datasets')
    folders.push(datasetsFolder)
    const settings = {
      ...(await servers.create()),
      DATASETS_DIR: datasetsFolder.path,
      TRAIN_CONCURRENCY: '1',
    }
    const one = await start({ ...settings, WORKERS: '2' })
    const other = await start(settings)
    const { bodies } = await prepareLookups(one)
    const load = startLoad(one.url, bodies, 6)
    const slow = 'SELECT count(*) AS n FROM generate_series(1, 6000) a, generate_series(1, 3000) b'
    const ids = await Promise.all([1, 2, 3].map((i) => startTraining(one, slow, `slow_${i}`)))
    await vi.waitFor(() => expect(load.answered()).toBeGreaterThan(100), patience)
    expect(await one.stop()).toBe(0)
    await load.refused()
    expect(load.failures).toEqual([])
    await vi.waitFor(async () => {
      for (const id of ids) expect(await statusOf(other, id)).toEqual({ status: 'SUCCEEDED', error: null })
    }, patience)
  }, 240_000)
})
