// How long lookups take at a steady rate, on one Redis: the gateway beside a bare handler, and beside itself while it trains.

import { startRedis } from '../test/servers/redis.ts'
import type { Comparison } from './comparison.ts'
import { copyForPeers, graphqlWorkload, serveUsers } from './features.ts'
import { type BenchGateway, startGateway } from './gateway.ts'
import { saturate, type Workload } from './load.ts'
import { compareLatency, pace, secondsAt } from './open-loop/pace.ts'
import { assertPeersInstalled, peerNames, startPeers } from './peers.ts'

const area = 'latency'
/** Requests a second that every server has room for. */
const lowRate = 500

interface Effort {
  rounds: number
  users: number
  quick: boolean
}

export async function benchLatency({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const effort = quick ? { rounds: 1, users: 2_000, quick } : { rounds: 5, users: 10_000, quick }
  assertPeersInstalled()
  const redis = await startRedis()
  const gateway = await startGateway({ ONLINE_URL: redis.url })
  try {
    return [...(await besideBare(gateway, redis.url, effort)), ...(await besideTraining(gateway, effort))]
  } finally {
    await gateway.stop()
    await redis.stop()
  }
}

async function besideBare(gateway: BenchGateway, redisUrl: string, effort: Effort): Promise<Comparison[]> {
  const { users } = effort
  const queryId = await serveUsers(gateway, users)
  await copyForPeers(gateway, queryId, users, redisUrl)
  const bare = await startPeers(['bare'], redisUrl)
  const urls = { gateway: gateway.url, bare: bare.urls.bare }
  try {
    const comparisons: Comparison[] = []
    for (const [lookup, keys] of [
      ['queryRealtime, 1 key', 1],
      ['queryRealtimeMany, 100 keys', 100],
    ] as const) {
      const load = graphqlWorkload({ queryId, users, keys, bodies: keys === 1 ? 500 : 100 })
      comparisons.push(...(await atRates(lookup, load, urls, effort)))
    }
    return comparisons
  } finally {
    await bare.stop()
  }
}

/** At a rate that is none to either, and at half of what the bare handler can bear. */
async function atRates(
  lookup: string,
  load: Workload,
  urls: { gateway: string; bare: string },
  { rounds, quick }: Effort,
): Promise<Comparison[]> {
  const seconds = quick ? 1 : 2
  // The gateway for its warmth alone.
  await saturate(urls.gateway, load, seconds)
  const half = Math.round((await saturate(urls.bare, load, seconds)).requestsPerSecond / 2)
  const rates = [
    { rate: lowRate, told: `at ${lowRate} requests a second` },
    { rate: half, told: 'at half of the bare handler’s saturation' },
  ]
  const comparisons: Comparison[] = []
  for (const { rate, told } of rates) {
    const measure = (url: string) => pace(url, load, rate, secondsAt(rate, quick))
    const sides = { gateway: () => measure(urls.gateway), peer: () => measure(urls.bare) }
    const names = { area, work: `${lookup}, ${told}`, peer: peerNames.bare }
    comparisons.push(...(await compareLatency(names, sides, rounds)))
  }
  return comparisons
}

/** While training queries take all that they may. */
async function besideTraining(
  gateway: BenchGateway,
  { users, rounds, quick }: Effort,
): Promise<Comparison[]> {
  const load = graphqlWorkload({ queryId: await serveUsers(gateway, users), users, keys: 1, bodies: 500 })
  const peer = () => pace(gateway.url, load, lowRate, secondsAt(lowRate, quick))
  const sides = {
    peer,
    async gateway() {
      const ending = new AbortController()
      const training = trainUntil(gateway, ending.signal)
      const result = await peer()
      ending.abort()
      await training
      return result
    },
  }
  const work = `queryRealtime, 1 key, at ${lowRate} requests a second beside training queries without a pause`
  return compareLatency({ area, work, peer: 'itself, without training' }, sides, rounds)
}

async function trainUntil(gateway: BenchGateway, signal: AbortSignal): Promise<void> {
  const sql =
    "SELECT range AS id, 'user_' || (range % 100000) AS user_id, range * 1.5 AS amount FROM range(5000000)"
  const mutation = `mutation ($sql: String!) {
    queryTrain(query: $sql, queryName: "beside", save: false, waitMs: 60000) { dataset { status } }
  }`
  while (!signal.aborted) await gateway.data(mutation, { sql })
}
