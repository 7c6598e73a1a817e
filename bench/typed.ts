// Typed lookups over HTTP on one Redis: the gateway beside a bare handler and other GraphQL servers, beside whole rows, and a service beside its views.

import { isDeepStrictEqual } from 'node:util'
import { startRedis } from '../test/servers/redis.ts'
import { type Comparison, compare, type Pair, runSides } from './comparison.ts'
import { copyForPeers, drawKeys, saveUsers, serveUsers, userId } from './features.ts'
import { type BenchGateway, startGateway } from './gateway.ts'
import { saturate, type Workload } from './load.ts'
import { assertPeersInstalled, startPeers } from './peers.ts'
import { throughput } from './realtime.ts'
import { createView, views } from './vectors.ts'

const area = 'typed'
const atOnce = 1_000
const wideFeatures = 200
const wanted = [7, 42, 99, 123, 188]

interface Effort {
  rounds: number
  seconds: number
  users: number
}

export async function benchTyped({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const effort = quick ? { rounds: 1, seconds: 2, users: 2_000 } : { rounds: 5, seconds: 2, users: 10_000 }
  assertPeersInstalled()
  const redis = await startRedis()
  const gateway = await startGateway({ ONLINE_URL: redis.url })
  try {
    return [
      ...(await besidePeers(gateway, redis.url, effort)),
      ...(await besideWholeRows(gateway, effort)),
      await besideItsViews(gateway, effort),
    ]
  } finally {
    await gateway.stop()
    await redis.stop()
  }
}

const userFields = 'userId quotes failedPayments amount isPaid cardType lastSeen risk device score'

async function besidePeers(gateway: BenchGateway, redisUrl: string, effort: Effort): Promise<Comparison[]> {
  const { users } = effort
  await createFeatureView(gateway, 'users', await saveUsers(gateway, users))
  await copyForPeers(gateway, await serveUsers(gateway, users), users, redisUrl)
  const peers = await startPeers(['bare', 'mercurius', 'yoga'], redisUrl)
  const urls = { gateway: gateway.url, ...peers.urls }
  const bareOnly = { gateway: urls.gateway, bare: urls.bare }
  const one = workload(
    `query ($userId: String!) { features { users(userId: $userId) { ${userFields} } } }`,
    drawKeys(users, 1, 500).map(([id]) => ({ userId: id })),
  )
  const many = workload(
    `query ($keys: [UsersKey!]!) { features { usersMany(keys: $keys) { status rows { ${userFields} } } } }`,
    drawKeys(users, 100, 100).map(asKeys),
  )
  try {
    return [
      ...(await throughput({ area, work: 'typed, 1 key, 10 of 10 features' }, one, urls, effort)),
      ...(await throughput({ area, work: 'typed, 100 keys, 10 of 10 features' }, many, bareOnly, effort)),
    ]
  } finally {
    await peers.stop()
  }
}

/** Of many features a client wants few: the selection, beside the rows as they are. */
async function besideWholeRows(gateway: BenchGateway, effort: Effort): Promise<Comparison[]> {
  const { users } = effort
  const queryId = await saveWide(gateway, users)
  await createFeatureView(gateway, 'wide', queryId)
  await warm(gateway, 'wide', users)
  const draws = drawKeys(users, 100, 100)
  const selection = wanted.map((i) => `f${i}`)
  const typed = workload(
    `query ($keys: [WideKey!]!) { features { wideMany(keys: $keys) { status rows { ${selection.join(' ')} } } } }`,
    draws.map(asKeys),
  )
  const whole = workload(
    'query ($queryId: ID!, $ids: [String!]!) { queryRealtimeMany(queryId: $queryId, indexKey: "user_id", indexValues: $ids) { status rows } }',
    draws.map((ids) => ({ queryId, ids })),
  )
  const [selected, rows] = [await ask<WideTyped>(gateway, typed), await ask<WideWhole>(gateway, whole)]
  const picked = rows.data.queryRealtimeMany.map(({ status, rows }) => ({
    status,
    rows: rows.map((row) => Object.fromEntries(selection.map((name) => [name, row[name]]))),
  }))
  assertAlike(selected.data.features.wideMany, picked)
  const names = {
    area,
    work: `typed, 100 keys, ${wanted.length} of ${wideFeatures} features`,
    peer: 'queryRealtimeMany, whole rows',
  }
  const bytes = [{ gateway: selected.bytes, peer: rows.bytes }]
  return [
    compare(
      { ...names, measure: 'requests a second' },
      await rates(gateway, { gateway: typed, peer: whole }, effort),
      formatCount,
    ),
    compare({ ...names, measure: 'bytes of an answer' }, bytes, formatCount),
  ]
}

interface WideTyped {
  features: { wideMany: unknown }
}

interface WideWhole {
  queryRealtimeMany: { status: string; rows: Record<string, unknown>[] }[]
}

/** The service's row beside the rows of its three views, each a field of one operation. */
async function besideItsViews(gateway: BenchGateway, effort: Effort): Promise<Comparison> {
  const { users } = effort
  for (const view of views) {
    await createView(gateway, view, users)
    await warm(gateway, view, users)
  }
  await gateway.data(
    'mutation ($features: [FeatureRefInput!]!) { createFeatureService(name: "three", features: $features) { id } }',
    { features: views.map((view) => ({ view })) },
  )
  const fields = Object.fromEntries(
    views.map((view) => [view, viewFields.map((name) => `${view}${name}`).join(' ')]),
  )
  const keys = drawKeys(users, 1, 500).map(([id]) => ({ userId: id }))
  const service = workload(
    `query ($userId: String!) { features { three(userId: $userId) { ${Object.values(fields).join(' ')} } } }`,
    keys,
  )
  const lookups = views.map((view) => `${view}(userId: $userId) { ${fields[view]} }`)
  const apart = workload(`query ($userId: String!) { features { ${lookups.join(' ')} } }`, keys)
  const [joined, rows] = [
    await ask<{ features: { three: object } }>(gateway, service),
    await ask<{ features: Record<string, object[]> }>(gateway, apart),
  ]
  assertAlike(joined.data.features.three, Object.assign({}, ...Object.values(rows.data.features).flat()))
  return compare(
    {
      area,
      work: 'typed, a service of three views × 10 features, 1 key',
      peer: 'three typed lookups in one operation',
      measure: 'requests a second',
    },
    await rates(gateway, { gateway: service, peer: apart }, effort),
    formatCount,
  )
}

const viewFields = ['Quotes', 'Failed', 'Amount', 'Paid', 'Card', 'Seen', 'Risk', 'Device', 'Score', 'Last']

async function rates(
  gateway: BenchGateway,
  loads: Record<keyof Pair, Workload>,
  { rounds, seconds }: Effort,
): Promise<Pair[]> {
  const results = await runSides(rounds, rounds > 1, loads, async (load) => {
    const { requestsPerSecond } = await saturate(gateway.url, load, seconds)
    return requestsPerSecond
  })
  return results.map((round) => ({ gateway: round.gateway ?? 0, peer: round.peer ?? 0 }))
}

async function saveWide(gateway: BenchGateway, users: number): Promise<string> {
  const features = Array.from({ length: wideFeatures }, (_, i) => `range * ${i} + 0.5 AS f${i}`)
  const sql = `SELECT 'user_' || lpad(range::VARCHAR, 8, '0') AS user_id, ${features.join(', ')} FROM range(${users})`
  const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "wide", waitMs: 600000) { query { id } } }',
    { sql },
  )
  return queryTrain.query.id
}

async function createFeatureView(gateway: BenchGateway, name: string, queryId: string) {
  await gateway.data(
    'mutation ($name: String!, $queryId: ID!) { createFeatureView(name: $name, queryId: $queryId, indexKey: "user_id", refresh: MANUAL) { id } }',
    { name, queryId },
  )
}

/** Has every user's rows computed, so that they are online. */
async function warm(gateway: BenchGateway, view: string, users: number) {
  const keyType = `${view[0]?.toUpperCase()}${view.slice(1)}Key`
  const query = `query ($keys: [${keyType}!]!) { features { ${view}Many(keys: $keys) { status } } }`
  for (let from = 0; from < users; from += atOnce) {
    const ids = Array.from({ length: Math.min(atOnce, users - from) }, (_, i) => userId(from + i))
    await gateway.data(query, asKeys(ids))
  }
}

function asKeys(ids: readonly string[]) {
  return { keys: ids.map((userId) => ({ userId })) }
}

function workload(query: string, variables: readonly object[]): Workload {
  return { path: '/graphql', bodies: variables.map((each) => JSON.stringify({ query, variables: each })) }
}

async function ask<Data>(gateway: BenchGateway, { path, bodies }: Workload) {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${gateway.url}${path}`, { method: 'POST', headers, body: bodies[0] ?? '' })
  const text = await response.text()
  const { data } = JSON.parse(text) as { data?: Data }
  if (!response.ok || !data) throw new Error(text)
  return { data, bytes: Buffer.byteLength(text) }
}

function assertAlike(typed: unknown, peer: unknown) {
  if (!isDeepStrictEqual(typed, peer)) {
    throw new Error(`The typed fields answer ${JSON.stringify(typed)}, their peer ${JSON.stringify(peer)}`)
  }
}

function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en')
}
