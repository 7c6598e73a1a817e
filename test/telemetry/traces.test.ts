// Traces as a collector receives them: from a caller's request through the batch to the store, and of work that is done later.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { spawnGateway } from '../e2e/gateway.ts'
import { type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts'

const folder = await createDataFolder('traces')
let receiver: Awaited<ReturnType<typeof startOtlpReceiver>>
let gateway: Awaited<ReturnType<typeof spawnGateway>>
let queryId: string

const lookUp =
  'query Traced($id: ID!, $k: String!) { queryRealtime(queryId: $id, indexKey: "k", indexValue: $k) { rows source } }'

beforeAll(async () => {
  receiver = await startOtlpReceiver()
  gateway = await spawnGateway(folder.path, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=features',
    OTEL_SERVICE_NAME: 'features of a test',
    OTEL_BSP_SCHEDULE_DELAY: '20',
  })
  const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
    `mutation { queryTrain(query: "SELECT * FROM (VALUES ('a', 1), ('b', 2)) t(k, n)", queryName: "traced") { query { id } } }`,
  )
  queryId = queryTrain.query.id
  await gateway.data(lookUp, { id: queryId, k: 'a' })
  await gateway.data(lookUp, { id: queryId, k: 'a' })
})

afterAll(async () => {
  await gateway?.kill()
  await receiver?.stop()
  await folder.remove()
})

function newCaller(flags = '01') {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` }
}

async function ask(query: string, variables: object, traceparent: string) {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({ query, variables }),
  })
  return (await response.json()) as { data: Record<string, { source?: string; id?: string }> }
}

const ofTrace = (traceId: string, name: string) => (span: ReceivedSpan) =>
  span.traceId === traceId && span.name === name

async function one(traceId: string, name: string): Promise<ReceivedSpan> {
  const [span] = await receiver.received(ofTrace(traceId, name))
  if (span === undefined) throw new Error(`No span ${name}`)
  return span
}

test.each([
  ['by the short way', { id: 'k', k: 'a' }, lookUp, 'ONLINE'],
  ['by the full pipeline', { id: 'k', k: 'a' }, `# new\n${lookUp}`, 'ONLINE'],
])(
  'a lookup is followed from its caller through the batch to the store: %s',
  async (_way, _, query, source) => {
    const caller = newCaller()
    const { data } = await ask(query, { id: queryId, k: 'a' }, caller.traceparent)
    expect(data.queryRealtime?.source).toBe(source)
    const request = await one(caller.traceId, 'POST request')
    const batch = await one(caller.traceId, 'lookup batch')
    const read = await one(caller.traceId, 'online read')
    expect(request).toMatchObject({
      parentSpanId: caller.spanId,
      kind: 2,
      attributes: {
        'url.path': '/graphql',
        'http.response.status_code': 200,
        'graphql.operation.name': 'Traced',
        'gateway.field': 'queryRealtime',
      },
    })
    expect(batch).toMatchObject({
      parentSpanId: request.spanId,
      attributes: { 'gateway.requests': 1, 'gateway.values': 1 },
      links: [],
    })
    expect(read).toMatchObject({ parentSpanId: batch.spanId, kind: 3 })
  },
)

test('what is not online leads on to the warehouse', async () => {
  const caller = newCaller()
  const body = { query_id: queryId, index_key: 'k', index_value: 'b' }
  const headers = { 'content-type': 'application/json', traceparent: caller.traceparent }
  await fetch(`${gateway.url}/query/realtime`, { method: 'POST', headers, body: JSON.stringify(body) })
  const warehouse = await one(caller.traceId, 'warehouse lookup')
  expect(warehouse).toMatchObject({ kind: 3, attributes: { 'db.system.name': 'duckdb' } })
  expect(await one(caller.traceId, 'POST request')).toMatchObject({
    attributes: { 'http.route': '/query/realtime' },
  })
})

test('a batch stands in the trace of the first request that it serves, linked with the others both ways', async () => {
  const callers = [newCaller(), newCaller(), newCaller()]
  const body = JSON.stringify({ query: lookUp, variables: { id: queryId, k: 'a' } })
  const { hostname, port, host } = new URL(gateway.url)
  // Pipelined: they come in with one read of the connection.
  const requestOf = ({ traceparent }: ReturnType<typeof newCaller>) =>
    `POST /graphql HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nTraceparent: ${traceparent}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  const ask = async (texts: readonly string[]) => {
    socket.write(texts.join(''))
    let answers = ''
    while (answers.split('"source":"ONLINE"').length <= texts.length)
      answers += String((await once(socket, 'data'))[0])
  }
  // So many lookups of a connection go at once as it has had small answers.
  for (const _ of callers) await ask([requestOf(newCaller())])
  await ask(callers.map(requestOf))
  socket.destroy()
  const spans = await receiver.received(
    ({ name, traceId }) => name === 'POST request' && callers.some((caller) => caller.traceId === traceId),
    callers.length,
  )
  const batches = await receiver.received(
    ({ name, traceId }) => name === 'lookup batch' && callers.some((caller) => caller.traceId === traceId),
  )
  expect(batches).toHaveLength(1)
  const [batch] = batches
  const others = spans.filter(({ traceId }) => traceId !== batch?.traceId)
  expect(others).toHaveLength(callers.length - 1)
  const place = ({ traceId, spanId }: ReceivedSpan) => ({ traceId, spanId })
  expect(batch?.links).toEqual(expect.arrayContaining(others.map(place)))
  for (const other of others) expect(other.links).toEqual(batch ? [place(batch)] : [])
})

test('a dataset is made in the trace of the request that asked for it', async () => {
  const caller = newCaller()
  await ask(
    'mutation { queryTrain(query: "SELECT 1 AS k", queryName: "one") { dataset { id } } }',
    {},
    caller.traceparent,
  )
  const made = await one(caller.traceId, 'make a dataset')
  const exported = await one(caller.traceId, 'warehouse export')
  expect(exported.parentSpanId).toBe(made.spanId)
  expect(made.parentSpanId).toBe((await one(caller.traceId, 'POST request')).spanId)
})

test('a publish job has a trace of its own, linked to the request that asked for it', async () => {
  const caller = newCaller()
  const { data } = await ask('mutation { publish(nFlows: 20) { id } }', {}, caller.traceparent)
  const [job] = await receiver.received(
    ({ name, attributes }) => name === 'publish job' && attributes['gateway.job.id'] === data.publish?.id,
  )
  expect(job?.links.map(({ traceId }) => traceId)).toEqual([caller.traceId])
  expect(job?.traceId).not.toBe(caller.traceId)
  const append = await one(job?.traceId ?? '', 'warehouse append')
  expect(append.parentSpanId).toBe(job?.spanId)
})

test('a caller that does not sample its trace gets no spans, and its answer all the same', async () => {
  const silent = newCaller('00')
  const heard = newCaller()
  expect((await ask(lookUp, { id: queryId, k: 'a' }, silent.traceparent)).data.queryRealtime?.source).toBe(
    'ONLINE',
  )
  await ask(lookUp, { id: queryId, k: 'a' }, heard.traceparent)
  await one(heard.traceId, 'POST request')
  expect(receiver.spans.filter(({ traceId }) => traceId === silent.traceId)).toEqual([])
})

test('whoever watches over the gateway leaves no traces', async () => {
  for (const path of ['/healthz', '/readyz', '/metrics']) await fetch(`${gateway.url}${path}`)
  const caller = newCaller()
  await ask('{ __typename }', {}, caller.traceparent)
  await one(caller.traceId, 'POST request')
  const paths = receiver.spans.map(({ attributes }) => attributes['url.path'])
  expect(paths).not.toContain('/metrics')
  expect(paths).not.toContain('/readyz')
})

test('what is left is sent when the gateway stops; it says which service it is, by the standard variables', async () => {
  const caller = newCaller()
  await ask(lookUp, { id: queryId, k: 'a' }, caller.traceparent)
  expect(await gateway.stop()).toBe(0)
  const request = receiver.spans.find(ofTrace(caller.traceId, 'POST request'))
  expect(request?.resource).toMatchObject({
    'service.name': 'features of a test',
    'service.version': '0.1.0',
  })
  expect(receiver.headers[0]).toMatchObject({
    url: '/v1/traces',
    'x-tenant': 'features',
    'content-type': 'application/x-protobuf',
  })
})
