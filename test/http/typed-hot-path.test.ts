// The hot path answers operations on typed features as the full pipeline does, byte for byte.

import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHotPath } from '../../src/http/hot-path/hot-path.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { tries } from '../thorough.ts'
import { type Gateway, openGateway } from './gateway.ts'
import type { GeneratedRequest } from './realtime-operations.ts'
import { generateTypedOperations } from './typed-operations.ts'

const seed = Number(process.env.HOT_PATH_SEED ?? 20_261_130)
const operationCount = tries({ all: 800, part: 300 })
const atOnce = 8

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>

beforeAll(async () => {
  gateway = await openGateway({ ETL_SOURCES: `${import.meta.dirname}/etl` })
  server = await gateway.serve()
  await createView('driver_stats', ['driver_id'], everyType)
  await createView('trips', ['city', 'n'], trips)
  await createView(
    'flags',
    ['yes', 'exact'],
    'SELECT i > 1 AS yes, i + 0.5::DECIMAL(9, 1) AS exact, \'é\' AS é, i AS "__proto__x" FROM range(3) r(i)',
  )
  await createView('in_time', ['n'], inTime, { timestampColumn: 'at', eventTtlSeconds: 86_400 })
  await createView('alone', ['n'], 'SELECT i AS n, i AS v FROM range(5) r(i)', {
    etlPath: `file:${import.meta.dirname}/etl/alone.js`,
  })
  await createService('one_view', { features: [{ view: 'driver_stats' }] })
  await createService('joined', {
    features: [
      { view: 'trips', features: ['far', 'zero'] },
      {
        view: 'driver_stats',
        features: ['small', 'struct', 'text'],
        keys: [{ key: 'driver_id', column: 'n' }],
      },
      { view: 'in_time', prefix: 't_' },
      { view: 'alone', prefix: 'a_' },
    ],
  })
  await createService('scored', {
    features: [{ view: 'driver_stats', features: ['small'] }],
    etlPath: `file:${import.meta.dirname}/etl/scored.js`,
    requestColumns: [
      { name: 'amount', type: 'DECIMAL', storage: 'DECIMAL(18,2)' },
      { name: 'note', type: 'STRING', nullable: true },
    ],
  })
})

afterAll(async () => {
  await server?.close()
  await gateway?.close()
})

const everyType = `SELECT i AS driver_id, i::INTEGER AS small, 9007199254740993 + i AS big, i / 0.0 AS infinite, 0.1 * i AS tenth,
  (i || '.12345678901234567890')::DECIMAL(38, 20) AS exact, 'é😀"\\' AS text, '\\x00\\xFF'::BLOB AS bytes, DATE '1969-12-31' AS day,
  TIMESTAMP '2026-01-01 00:00:00.000001' AS at, i > 1 AS yes, [i, NULL] AS list, NULL::BIGINT[] AS no_list,
  {'b': i, '1': 'x', 'inner': [{'deep': 9007199254740993, 'é': NULL}]} AS struct, '{"b": [1], "1": {"toJSON": 1}, "a": 9007199254740993}'::JSON AS json
  FROM range(8) r(i)`
const trips = `SELECT c AS city, i::SMALLINT AS n, 1e300 * i AS far, -0.0::DOUBLE AS zero FROM range(4) r(i), (SELECT unnest(['', 'a', 'é', '日本', '"', '\\', '__proto__']) AS c)
  UNION ALL SELECT 'a', 2::SMALLINT, 7, 1`

/** Old ones, some of this hour, some that are to come. */
const inTime = `SELECT i AS n, at_half - to_hours(30 * i) + to_days(j) AS at, j AS v, [{'é': j}] AS nested
  FROM range(5) r(i), range(-2, 2) s(j), (SELECT TIMESTAMP '${new Date(Date.now() - 1_800_000).toISOString().slice(0, 19)}.123456' AS at_half)`

async function createView(
  name: string,
  indexKeys: readonly string[],
  sql: string,
  { etlPath, ...more }: { etlPath?: string; timestampColumn?: string; eventTtlSeconds?: number } = {},
) {
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } } }',
    { sql, name },
  )
  const queryId = queryTrain.query.id
  const extracted =
    etlPath &&
    (await server.data<{ extractTrain: { etl: { id: string } } }>(
      'mutation ($queryId: ID!, $etlPath: String!) { extractTrain(queryId: $queryId, etlPath: $etlPath) { etl { id } } }',
      { queryId, etlPath },
    ))
  const etlId = extracted ? extracted.extractTrain.etl.id : null
  await server.data(
    'mutation ($name: String!, $queryId: ID!, $etlId: ID, $indexKeys: [String!], $timestampColumn: String, $eventTtlSeconds: Int) { createFeatureView(name: $name, queryId: $queryId, etlId: $etlId, indexKeys: $indexKeys, timestampColumn: $timestampColumn, eventTtlSeconds: $eventTtlSeconds) { id } }',
    { name, queryId, etlId, indexKeys, ...more },
  )
}

async function createService(name: string, more: Record<string, unknown>) {
  await server.data(
    'mutation ($name: String!, $features: [FeatureRefInput!]!, $etlPath: String, $requestColumns: [ColumnInput!]) { createFeatureService(name: $name, features: $features, etlPath: $etlPath, requestColumns: $requestColumns) { id } }',
    { name, ...more },
  )
}

async function send(path: string, body: string) {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  const { 'x-request-id': _, date: __, ...headers } = Object.fromEntries(response.headers)
  return { status: response.status, headers, body: await response.text() }
}

/** No request with a query string takes the hot path; the first answer is what it learns from. */
async function answersOf(body: string) {
  await send('/graphql', body)
  return { fromHot: await send('/graphql', body), fromReference: await send('/graphql?by=yoga', body) }
}

function withoutAsOf({ body, headers, ...rest }: Awaited<ReturnType<typeof send>>) {
  return { ...rest, headers, body: body.replace(/"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"/g, '"at"') }
}

/**
 * Of several fields that fail, one of which takes the data, some come too late to be told; by which is a matter of
 * microtasks, from one run of graphql-js to the next too.
 */
function tellSameLoss(one: string, other: string): boolean {
  const [a, b] = [one, other].map((body) => JSON.parse(body) as { data?: unknown; errors?: unknown[] })
  if (a?.data !== null || b?.data !== null) return false
  const [fewer = [], more = []] = [a.errors ?? [], b.errors ?? []]
    .map((errors) => errors.map((error) => JSON.stringify(error)))
    .sort((x, y) => x.length - y.length)
  return fewer.length > 0 && more.length > 1 && fewer.every((error) => more.includes(error))
}

async function inTurns(count: number, each: (request: GeneratedRequest) => Promise<void>) {
  const operations = generateTypedOperations(seed, server.schema.current.schema)
  let sent = 0
  async function next(): Promise<void> {
    while (sent < count) {
      sent++
      const request = operations.next()
      if (!request.done) await each(request.value)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, next))
}

test(`${operationCount} generated operations are answered alike`, { timeout: 400_000 }, async () => {
  const { current } = server.schema
  const probe = createHotPath({
    holder: { current },
    services: gateway.services,
    trusted: { find: () => null },
    operations: createMetrics().operations,
    log: pino({ level: 'silent' }),
  })
  const counts = { valid: 0, failed: 0, taken: 0, takenAndFailed: 0, withData: 0 }
  // What is first looked up is read through; once it is online both see it there.
  await inTurns(operationCount, async (request) => {
    await send('/graphql?by=yoga', JSON.stringify(request))
  })
  await inTurns(operationCount, async (request) => {
    const body = JSON.stringify(request)
    let { fromHot, fromReference } = await answersOf(body)
    // A failure is remembered for ten seconds, and computed at another moment after them.
    if (fromHot.body !== fromReference.body && /refused|FAILED/.test(fromReference.body))
      ({ fromHot, fromReference } = await answersOf(body))
    // Of a view in time it is the moment of asking.
    if (!tellSameLoss(fromHot.body, fromReference.body))
      expect(withoutAsOf(fromHot), body).toEqual(withoutAsOf(fromReference))
    const { data, errors } = JSON.parse(fromReference.body) as { data?: unknown; errors?: unknown }
    if (errors === undefined) counts.valid++
    else counts.failed++
    if (data != null && errors !== undefined) counts.withData++
    if (data === undefined) return
    probe.accept(request.query, current.schema)
    const answer = probe.answer(request, { requestId: 'probe', identity: null })
    await answer
    if (answer === null) return
    counts.taken++
    if (errors !== undefined) counts.takenAndFailed++
  })
  console.info(counts)
  // It is not the pipeline compared with itself.
  expect(counts.valid).toBeGreaterThan(operationCount * 0.4)
  expect(counts.taken).toBeGreaterThan(counts.valid * 0.9)
  expect(counts.takenAndFailed).toBeGreaterThan(operationCount * 0.01)
})
