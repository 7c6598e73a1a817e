// The data that realtime is measured on: users of ten features each, on the gateway's online store and as the peers keep them.

import { Redis } from 'ioredis'
import type { BenchGateway } from './gateway.ts'
import type { Workload } from './load.ts'

export type RealtimeField = 'queryRealtime' | 'extractRealtime'

const idsPerRequest = 10_000

export const userId = (i: number) => `user_${String(i).padStart(8, '0')}`

function statement(users: number): string {
  return `SELECT 'user_' || lpad(range::VARCHAR, 8, '0') AS user_id, range AS quotes, range % 17 AS failed_payments,
    range * 0.37 AS amount, range % 3 = 0 AS is_paid, 'card ' || range % 5 AS card_type, 1.7e9 + range AS last_seen,
    CASE WHEN range % 4 = 0 THEN NULL ELSE range * 1.5 END AS risk, 'mobile' AS device, range % 100 AS score
    FROM range(${users})`
}

/** A user's row as the statement gives it. */
export function userRow(i: number) {
  return {
    user_id: userId(i),
    quotes: i,
    failed_payments: i % 17,
    amount: (i * 37) / 100,
    is_paid: i % 3 === 0,
    card_type: `card ${i % 5}`,
    last_seen: 1.7e9 + i,
    risk: i % 4 === 0 ? null : i * 1.5,
    device: 'mobile',
    score: i % 100,
  }
}

export async function saveUsers(gateway: BenchGateway, users: number): Promise<string> {
  const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "users", waitMs: 600000) { query { id } } }',
    { sql: statement(users) },
  )
  return queryTrain.query.id
}

/** Saves the query and has every user's rows computed, so that they are online. */
export async function serveUsers(
  gateway: BenchGateway,
  users: number,
  etlPath: string | null = null,
): Promise<string> {
  const id = await saveUsers(gateway, users)
  for (let from = 0; from < users; from += idsPerRequest)
    await lookUp(gateway, id, idsFrom(from, users), etlPath)
  return id
}

function idsFrom(from: number, users: number): string[] {
  return Array.from({ length: Math.min(idsPerRequest, users - from) }, (_, i) => userId(from + i))
}

async function lookUp(
  gateway: BenchGateway,
  queryId: string,
  indexValues: readonly string[],
  etlPath: string | null,
) {
  const { found } = await gateway.data<{ found: { rows: unknown }[] }>(
    etlPath === null
      ? 'query ($q: ID!, $v: [String!]!) { found: queryRealtimeMany(queryId: $q, indexKey: "user_id", indexValues: $v) { rows } }'
      : 'query ($q: ID!, $v: [String!]!, $e: String!) { found: extractRealtimeMany(queryId: $q, etlPath: $e, indexKey: "user_id", indexValues: $v) { rows } }',
    { q: queryId, v: indexValues, ...(etlPath !== null && { e: etlPath }) },
  )
  return found
}

/** The same rows under the peers' keys. */
export async function copyForPeers(gateway: BenchGateway, queryId: string, users: number, redisUrl: string) {
  const redis = new Redis(redisUrl)
  for (let from = 0; from < users; from += idsPerRequest) {
    const ids = idsFrom(from, users)
    const found = await lookUp(gateway, queryId, ids, null)
    await redis.mset(new Map(ids.map((id, i) => [`peer:${id}`, JSON.stringify(found[i]?.rows)])))
  }
  await redis.quit()
}

export interface Draw {
  queryId: string
  users: number
  keys: number
  bodies: number
}

/** Lookups by GraphQL of so many keys each, drawn evenly. */
export function graphqlWorkload(
  { queryId, users, keys, bodies }: Draw,
  etlPath: string | null = null,
): Workload {
  const field: RealtimeField = etlPath === null ? 'queryRealtime' : 'extractRealtime'
  const etl =
    etlPath === null
      ? { declared: '', given: '' }
      : { declared: ', $etlPath: String!', given: ', etlPath: $etlPath' }
  const [suffix, argument, type] =
    keys === 1 ? ['', 'indexValue', 'String!'] : ['Many', 'indexValues', '[String!]!']
  const query = `query ($queryId: ID!, $indexKey: String!, $${argument}: ${type}${etl.declared}) { ${field}${suffix}(queryId: $queryId, indexKey: $indexKey, ${argument}: $${argument}${etl.given}) { status rows } }`
  return {
    path: '/graphql',
    bodies: drawKeys(users, keys, bodies).map((ids) =>
      JSON.stringify({
        query,
        variables: {
          queryId,
          indexKey: 'user_id',
          [argument]: keys === 1 ? ids[0] : ids,
          ...(etlPath !== null && { etlPath }),
        },
      }),
    ),
  }
}

export function restWorkload({ queryId, users, bodies }: Draw): Workload {
  return {
    path: '/query/realtime',
    bodies: drawKeys(users, 1, bodies).map(([id]) =>
      JSON.stringify({ query_id: queryId, index_key: 'user_id', index_value: id }),
    ),
  }
}

/** The same draw every time: a step that shares no factor with the number of users visits them all. */
export function drawKeys(users: number, keys: number, bodies: number): string[][] {
  let at = 0
  return Array.from({ length: bodies }, () =>
    Array.from({ length: keys }, () => {
      at = (at + 7_919) % users
      return userId(at)
    }),
  )
}
