// /metrics on a gateway at work: what is counted, by which names, and that no client makes it grow without end.

import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createFamilies } from '../../src/telemetry/families.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createClient } from '../http/client.ts'
import { openGateway } from '../http/gateway.ts'
import { parseExposition } from './exposition.ts'

let gateway: Awaited<ReturnType<typeof openGateway>>
let server: Awaited<ReturnType<typeof gateway.serve>>
let queryId: string

async function scrape() {
  const response = await fetch(`${server.url}/metrics`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return parseExposition(await response.text())
}

/** How much a counter grew while something was done. */
async function growth(name: string, labels: Record<string, string>, work: () => Promise<unknown>) {
  const before = (await scrape()).value(name, labels)
  await work()
  return (await scrape()).value(name, labels) - before
}

beforeAll(async () => {
  gateway = await openGateway()
  server = await gateway.serve()
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    `mutation { queryTrain(query: "SELECT * FROM (VALUES ('a', 1), ('b', 2)) t(k, n)", queryName: "values") { query { id } } }`,
  )
  queryId = queryTrain.query.id
})

afterAll(async () => {
  await server?.close()
  await gateway?.close()
})

const named = (name: string) =>
  `query ${name}($id: ID!, $k: String!) { queryRealtime(queryId: $id, indexKey: "k", indexValue: $k) { status rows } }`

describe('operations', () => {
  test('are counted by name, field and outcome, on the full pipeline and on the hot path alike', async () => {
    const labels = { api: 'graphql', operation: 'Counted', field: 'queryRealtime' }
    const asked = async () => {
      // The first goes the whole way, the others the short one.
      for (let i = 0; i < 3; i++) await server.graphql(named('Counted'), { id: queryId, k: 'a' })
      for (let i = 0; i < 2; i++) await server.graphql(named('Counted'), { id: 'qry_none', k: 'a' })
    }
    expect(await growth('gateway_operations_total', { ...labels, outcome: 'OK' }, asked)).toBe(3)
    const notFound = { ...labels, outcome: 'NOT_FOUND' }
    expect((await scrape()).value('gateway_operations_total', notFound)).toBe(2)
    expect((await scrape()).value('gateway_operation_seconds_count', labels)).toBe(5)
  })

  test('over REST are counted by their route, with the code of a failure', async () => {
    const labels = { api: 'rest', operation: 'POST /query/realtime' }
    const ask = (id: string) => () =>
      server.rest('POST', '/query/realtime', { query_id: id, index_key: 'k', index_value: 'b' })
    expect(await growth('gateway_operations_total', { ...labels, outcome: 'OK' }, ask(queryId))).toBe(1)
    const notFound = { ...labels, outcome: 'NOT_FOUND' }
    expect(await growth('gateway_operations_total', notFound, ask('qry_none'))).toBe(1)
    const unusable = { ...labels, outcome: 'BAD_USER_INPUT' }
    const broken = () => server.rest('POST', '/query/realtime', '{')
    expect(await growth('gateway_operations_total', unusable, broken)).toBe(1)
  })

  test('that cannot be parsed or are not valid are counted together', async () => {
    const labels = { operation: 'unusable', outcome: 'BAD_USER_INPUT' }
    const ask = async () => {
      await server.graphql('{ nope }')
      await server.graphql('{')
    }
    expect(await growth('gateway_operations_total', labels, ask)).toBe(2)
  })

  test('on a WebSocket are counted with those over HTTP', async () => {
    const client = createClient(server.url)
    const { publish } = await client.data<{ publish: { id: string } }>(
      'mutation { publish(nFlows: 10) { id } }',
    )
    const { createTransport } = await import('../../examples/client/transport.ts')
    const { TypedDocumentString } = await import('../../examples/client/generated/graphql.ts')
    const followed = async () => {
      const document = new TypedDocumentString<unknown, { id: string }>(
        'subscription Followed($id: ID!) { publishProgress(jobId: $id) { done } }',
      )
      for await (const _ of createTransport(server.url).subscribe(document, { id: publish.id }));
    }
    const labels = { operation: 'Followed', field: 'publishProgress', outcome: 'OK' }
    expect(await growth('gateway_operations_total', labels, followed)).toBe(1)
  })

  test('of ever new names are told apart up to a limit, and by field beyond it', async () => {
    const { registry, operations } = createMetrics()
    for (let i = 0; i < 5_000; i++) {
      operations.of({ api: 'graphql', operation: `Name${i}`, field: 'queryRealtime' }).end(null, 0)
    }
    const { samples, value } = parseExposition(await registry.metrics())
    const names = new Set(samples.map(({ labels }) => labels.operation).filter((name) => name !== undefined))
    expect(names.size).toBe(101)
    const others = { operation: 'other', field: 'queryRealtime', outcome: 'OK' }
    expect(value('gateway_operations_total', others)).toBe(4_900)
  })
})

test('views are told apart up to a bound', async () => {
  const { countsOf, registry } = createMetrics()
  for (let i = 0; i < 500; i++) countsOf({ record: { name: `view ${i}` } }).online.value += 1
  const { samples, value } = parseExposition(await registry.metrics())
  const names = new Set(samples.map(({ labels }) => labels.view).filter((name) => name !== undefined))
  expect(names.size).toBe(201)
  expect(value('gateway_view_lookups_total', { view: 'other views', source: 'ONLINE' })).toBe(300)
})

describe('the work behind them', () => {
  test('lookups are counted by status and source, each index value once', async () => {
    const document = `query ($id: ID!, $k: [String!]!) { queryRealtimeMany(queryId: $id, indexKey: "k", indexValues: $k) { status } }`
    await server.data(document, { id: queryId, k: ['a', 'b'] })
    const ask = () => server.data(document, { id: queryId, k: ['a', 'b', 'never seen'] })
    const before = await scrape()
    await ask()
    const after = await scrape()
    const grown = (labels: Record<string, string>) =>
      after.value('gateway_lookups_total', labels) - before.value('gateway_lookups_total', labels)
    expect(grown({ status: 'FRESH', source: 'ONLINE' })).toBe(2)
    expect(grown({ status: 'NOT_FOUND', source: 'WAREHOUSE' })).toBe(1)
    expect(grown({})).toBe(3)
    const ofView = (source: string) =>
      after.value('gateway_view_lookups_total', { source }) -
      before.value('gateway_view_lookups_total', { source })
    expect([ofView('ONLINE'), ofView('WAREHOUSE')]).toEqual([2, 1])
    expect(
      after.value('gateway_lookup_batch_values_sum') - before.value('gateway_lookup_batch_values_sum'),
    ).toBe(3)
  })

  test('round trips, publishes, datasets and refreshes each leave their mark', async () => {
    const job = await server.rest('PUT', '/publish?n_flows=20')
    expect(job.status).toBe(200)
    const { value } = await scrape()
    expect(value('gateway_online_seconds_count', { call: 'read', outcome: 'OK' })).toBeGreaterThan(0)
    expect(value('gateway_warehouse_seconds_count', { call: 'append', outcome: 'OK' })).toBeGreaterThan(0)
    expect(value('gateway_published_total', { kind: 'FLOWS' })).toBeGreaterThanOrEqual(20)
    expect(value('gateway_publish_job_seconds_count', { status: 'SUCCEEDED' })).toBeGreaterThan(0)
    expect(value('gateway_dataset_rows_sum', { kind: 'query' })).toBe(2)
    expect(value('gateway_dataset_seconds_count', { status: 'SUCCEEDED' })).toBe(1)
  })

  test('each dependency is up or down, and one that hangs does not hang the metrics', async () => {
    const hanging = { ping: () => new Promise<never>(() => {}) }
    const backlog = () => new Promise<never>(() => {})
    const catalog = { ...gateway.services.catalog, ...hanging, backlog }
    const broken = await gateway.serve({ services: { ...gateway.services, catalog } })
    const response = await fetch(`${broken.url}/metrics`)
    const { value, samples } = parseExposition(await response.text())
    expect(value('gateway_dependency_up', { dependency: 'catalog' })).toBe(0)
    expect(value('gateway_dependency_up', { dependency: 'online' })).toBe(1)
    expect(samples.filter(({ name }) => name === 'gateway_jobs')).toEqual([])
    await broken.close()
  })

  test('what waits is told for every kind, of none too', async () => {
    const { samples } = await scrape()
    const waiting = samples.filter(({ name }) => name === 'gateway_jobs')
    expect(waiting.map(({ labels }) => labels)).toEqual([
      { kind: 'publish', status: 'QUEUED' },
      { kind: 'publish', status: 'RUNNING' },
      { kind: 'dataset', status: 'QUEUED' },
      { kind: 'dataset', status: 'RUNNING' },
    ])
    expect(samples.filter(({ name }) => name === 'gateway_queue_age_seconds')).toHaveLength(2)
  })
})

test('a histogram counts each value under every bound that it does not exceed', async () => {
  const registry = new Registry()
  const of = createFamilies(registry).histogram({
    name: 'sizes',
    help: 'Sizes',
    labels: ['of'],
    buckets: [1, 10],
  })
  for (const value of [1, 2, 10, 11]) of('boxes').observe(value)
  const { value } = parseExposition(await registry.metrics())
  const under = (le: string) => value('sizes_bucket', { of: 'boxes', le })
  expect([under('1'), under('10'), under('+Inf')]).toEqual([1, 3, 4])
  expect([value('sizes_sum'), value('sizes_count')]).toEqual([24, 4])
})
