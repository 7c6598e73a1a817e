// Vectors of three views over HTTP on one Redis: the gateway beside a bare handler, beside itself with an ETL, and over GraphQL.

import { join } from 'node:path'
import { Redis } from 'ioredis'
import { startChild } from '../test/servers/child.ts'
import { startRedis } from '../test/servers/redis.ts'
import { type Comparison, compare, runSides } from './comparison.ts'
import { drawKeys, userId } from './features.ts'
import { type BenchGateway, startGateway } from './gateway.ts'
import { saturate, type Workload } from './load.ts'

const area = 'time'
const etlFolder = join(import.meta.dirname, 'etl')
export const views = ['a', 'b', 'c']
const atOnce = 1_000

export async function benchVectors({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const effort = quick ? { rounds: 1, seconds: 3, users: 2_000 } : { rounds: 5, seconds: 2, users: 10_000 }
  const redis = await startRedis()
  const gateway = await startGateway({ ONLINE_URL: redis.url, ETL_SOURCES: etlFolder })
  const bare = await startChild(process.execPath, ['bench/vectors-bare.ts'], {
    ready: /Listening: (\S+)/,
    env: { REDIS_URL: redis.url },
  })
  const bareUrl = /Listening: (\S+)/.exec(bare.output())?.[1] ?? ''
  try {
    await prepare(gateway, effort.users, redis.url)
    return await compareAll({ gateway: gateway.url, bare: bareUrl }, effort)
  } finally {
    await bare.end()
    await gateway.stop()
    await redis.stop()
  }
}

interface Effort {
  rounds: number
  seconds: number
  users: number
}

interface Side {
  url: string
  load: Workload
}

async function compareAll(urls: { gateway: string; bare: string }, effort: Effort): Promise<Comparison[]> {
  const { rounds, seconds, users } = effort
  const comparisons: Comparison[] = []
  const measure = async (work: string, peer: string, sides: { gateway: Side; peer: Side }) => {
    const rates = await runSides(rounds, rounds > 1, sides, async ({ url, load }) => {
      const { requestsPerSecond } = await saturate(url, load, seconds)
      return requestsPerSecond
    })
    const pairs = rates.map((round) => ({ gateway: round.gateway ?? 0, peer: round.peer ?? 0 }))
    comparisons.push(compare({ area, work, peer, measure: 'requests a second' }, pairs, formatRate))
  }
  for (const entities of [1, 100]) {
    const load = (service: string) => restWorkload(service, { users, entities })
    const own = { url: urls.gateway, load: load('plain') }
    const many = entities === 1 ? '1 entity' : `${entities} entities`
    const work = `${many}, 3 views × 10 features`
    await measure(`POST /online-features, ${work}`, 'node:http + one MGET', {
      gateway: own,
      peer: { url: urls.bare, load: load('plain') },
    })
    await measure(`GraphQL onlineFeatures, ${work}`, 'itself by REST', {
      gateway: { url: urls.gateway, load: graphqlWorkload('plain', { users, entities }) },
      peer: own,
    })
    await measure(`a five-line ETL on top, ${work}`, 'itself without the ETL', {
      gateway: { url: urls.gateway, load: load('with_etl') },
      peer: own,
    })
  }
  return comparisons
}

/** Three views of the same users with ten features each, all of them online; and a service over them, with and without an ETL. */
async function prepare(gateway: BenchGateway, users: number, redisUrl: string) {
  for (const view of views) await createView(gateway, view, users)
  const create = (name: string, etlPath: string | null) =>
    gateway.data(
      'mutation ($name: String!, $features: [FeatureRefInput!]!, $etlPath: String) { createFeatureService(name: $name, features: $features, etlPath: $etlPath) { id } }',
      { name, etlPath, features: views.map((view) => ({ view })) },
    )
  await create('plain', null)
  await create('with_etl', `file:${join(etlFolder, 'on-top.ts')}`)
  const redis = new Redis(redisUrl)
  for (let from = 0; from < users; from += atOnce) {
    const entities = Array.from({ length: Math.min(atOnce, users - from) }, (_, i) => ({
      user_id: userId(from + i),
    }))
    for (const view of views) {
      const { onlineFeatures } = await gateway.data<{ onlineFeatures: { features: unknown }[] }>(
        'query ($view: String!, $entities: [JSON!]!) { onlineFeatures(features: [{ view: $view }], entities: $entities) { features } }',
        { view, entities },
      )
      const rows = entities.map(({ user_id }, i) => [
        `bare:${view}:${user_id}`,
        JSON.stringify([{ user_id, ...(onlineFeatures[i]?.features as object) }]),
      ])
      await redis.mset(new Map(rows as [string, string][]))
    }
  }
  await redis.quit()
}

export async function createView(gateway: BenchGateway, view: string, users: number) {
  const sql = `SELECT 'user_' || lpad(range::VARCHAR, 8, '0') AS user_id, range AS ${view}_quotes, range % 17 AS ${view}_failed,
    range * 0.37 AS ${view}_amount, range % 3 = 0 AS ${view}_paid, 'card ' || range % 5 AS ${view}_card, 1.7e9 + range AS ${view}_seen,
    CASE WHEN range % 4 = 0 THEN NULL ELSE range * 1.5 END AS ${view}_risk, 'mobile' AS ${view}_device, range % 100 AS ${view}_score, 'x' AS ${view}_last
    FROM range(${users})`
  const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!, $view: String!) { queryTrain(query: $sql, queryName: $view, waitMs: 600000) { query { id } } }',
    { sql, view },
  )
  await gateway.data(
    'mutation ($view: String!, $id: ID!) { createFeatureView(name: $view, queryId: $id, indexKey: "user_id", refresh: MANUAL) { id } }',
    { view, id: queryTrain.query.id },
  )
}

function drawEntities({ users, entities }: { users: number; entities: number }) {
  return drawKeys(users, entities, entities === 1 ? 500 : 100).map((ids) =>
    ids.map((user_id) => ({ user_id })),
  )
}

function restWorkload(service: string, draw: { users: number; entities: number }): Workload {
  return {
    path: '/online-features',
    bodies: drawEntities(draw).map((entities) => JSON.stringify({ service, entities })),
  }
}

function graphqlWorkload(service: string, draw: { users: number; entities: number }): Workload {
  const query =
    'query ($service: String!, $entities: [JSON!]!) { onlineFeatures(service: $service, entities: $entities) { entity features views { view status source asOf } } }'
  return {
    path: '/graphql',
    bodies: drawEntities(draw).map((entities) => JSON.stringify({ query, variables: { service, entities } })),
  }
}

function formatRate(value: number): string {
  return Math.round(value).toLocaleString('en')
}
