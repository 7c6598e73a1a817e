// Lookups over HTTP on one Redis: the gateway beside a bare handler and other GraphQL servers, beside itself with ETLs, as keys grow, and over time.

import { join } from 'node:path'
import { startRedis } from '../test/servers/redis.ts'
import { type Comparison, compare, runSides } from './comparison.ts'
import { copyForPeers, graphqlWorkload, restWorkload, serveUsers } from './features.ts'
import { fillUsers, prefixOf } from './fill.ts'
import { type BenchGateway, startGateway } from './gateway.ts'
import { mget, saturate, type Workload } from './load.ts'
import { residentMb } from './memory.ts'
import { pace } from './open-loop/pace.ts'
import { assertPeersInstalled, peerNames, startPeers } from './peers.ts'

const area = 'realtime'
const etlFolder = join(import.meta.dirname, 'etl')
interface Effort {
  rounds: number
  seconds: number
  users: number
  manyUsers: number
  /** How long the memory is watched under load. */
  memorySeconds: number
}

export async function benchRealtime({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const effort = quick
    ? { rounds: 1, seconds: 1, users: 2_000, manyUsers: 20_000, memorySeconds: 4 }
    : { rounds: 5, seconds: 2, users: 10_000, manyUsers: 10_000_000, memorySeconds: 30 }
  assertPeersInstalled()
  const redis = await startRedis()
  const gateway = await startGateway({ ONLINE_URL: redis.url, ETL_SOURCES: etlFolder })
  try {
    return [
      ...(await besidePeers(gateway, redis.url, effort)),
      ...(await withEtls(gateway, effort)),
      ...(await growing(gateway, redis.url, effort)),
      await memory(gateway, effort),
    ]
  } finally {
    await gateway.stop()
    await redis.stop()
  }
}

async function besidePeers(gateway: BenchGateway, redisUrl: string, effort: Effort): Promise<Comparison[]> {
  const { users } = effort
  const queryId = await serveUsers(gateway, users)
  await copyForPeers(gateway, queryId, users, redisUrl)
  const peers = await startPeers(['bare', 'mercurius', 'apollo', 'yoga'], redisUrl)
  const urls = { gateway: gateway.url, ...peers.urls }
  const one = graphqlWorkload({ queryId, users, keys: 1, bodies: 500 })
  const many = graphqlWorkload({ queryId, users, keys: 100, bodies: 100 })
  const rest = restWorkload({ queryId, users, keys: 1, bodies: 500 })
  const bareOnly = { gateway: urls.gateway, bare: urls.bare }
  try {
    return [
      ...(await throughput({ area, work: 'queryRealtime, 1 key × 10 features' }, one, urls, effort)),
      ...(await throughput({ area, work: 'queryRealtimeMany, 100 keys × 10 features' }, many, urls, effort)),
      ...(await throughput({ area, work: 'REST /query/realtime, 1 key' }, rest, bareOnly, effort)),
    ]
  } finally {
    await peers.stop()
  }
}

type Urls = Record<string, string>

/** Requests a second of all sides, each as fast as it answers; their answers have to be alike. */
export async function throughput(
  names: Pick<Comparison, 'area' | 'work'>,
  workload: Workload,
  urls: Urls,
  { rounds, seconds }: Pick<Effort, 'rounds' | 'seconds'>,
): Promise<Comparison[]> {
  await assertSameAnswers(workload, urls)
  const rates = await runSides(rounds, seconds > 1, urls, async (url) => {
    const { requestsPerSecond } = await saturate(url, workload, seconds)
    return requestsPerSecond
  })
  return Object.entries(peerNames).flatMap(([name, peer]) => {
    const pairs = rates.map((round) => ({ gateway: round.gateway ?? 0, peer: round[name] ?? 0 }))
    if (!(name in urls)) return []
    return [compare({ ...names, peer, measure: 'requests a second' }, pairs, formatRate)]
  })
}

async function assertSameAnswers({ path, bodies }: Workload, urls: Urls) {
  for (const body of [bodies[0], bodies.at(-1)]) {
    const answers = await Promise.all(
      Object.entries(urls).map(async ([name, url]) => {
        const headers = { 'content-type': 'application/json' }
        const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: body ?? '' })
        const { data } = (await response.json()) as { data: unknown }
        return { name, data: JSON.stringify(data) }
      }),
    )
    for (const { name, data } of answers) {
      if (data !== answers[0]?.data || data === undefined) {
        throw new Error(`${name} answers ${data}, the gateway ${answers[0]?.data}`)
      }
    }
  }
}

/** The same lookup of 100 keys with and without an ETL. */
async function withEtls(gateway: BenchGateway, effort: Effort): Promise<Comparison[]> {
  const { users } = effort
  const draw = { queryId: await serveUsers(gateway, users), users, keys: 100, bodies: 100 }
  const one = graphqlWorkload({ ...draw, keys: 1, bodies: 500 })
  const seconds = Math.max(2, effort.seconds)
  const others = () => pace(gateway.url, one, 1_000, seconds)
  const etls = [
    { name: 'a five-line TypeScript ETL', file: 'features.ts', beside: async () => undefined },
    { name: 'a SQL ETL', file: 'features.sql', beside: async () => undefined },
    { name: 'a SQL ETL, while others look up 1,000 keys a second', file: 'features.sql', beside: others },
  ]
  const comparisons: Comparison[] = []
  for (const { name, file, beside } of etls) {
    const etlPath = `file:${join(etlFolder, file)}`
    await serveUsers(gateway, users, etlPath)
    const loads = { gateway: graphqlWorkload(draw, etlPath), peer: graphqlWorkload(draw) }
    const rates = await runSides(effort.rounds, effort.seconds > 1, loads, async (load) => {
      const [{ requestsPerSecond }] = await Promise.all([saturate(gateway.url, load, seconds), beside()])
      return requestsPerSecond
    })
    const work = `extractRealtimeMany, 100 keys, ${name}`
    const peer = 'the lookup without ETL'
    comparisons.push(compare({ area, work, peer, measure: 'requests a second' }, pairsOf(rates), formatRate))
  }
  return comparisons
}

/** Keys a second: with more keys a request, and with more keys online. */
async function growing(gateway: BenchGateway, redisUrl: string, effort: Effort): Promise<Comparison[]> {
  const { users, manyUsers } = effort
  const queryId = await serveUsers(gateway, users)
  const few = { queryId, users, prefix: await prefixOf(gateway, queryId, users) }
  const many = { ...(await fillUsers(gateway, manyUsers, redisUrl)), users: manyUsers }
  const at = ({ queryId, users }: typeof few, keys: number) => ({
    keys,
    load: graphqlWorkload({ queryId, users, keys, bodies: keys === 1 ? 500 : 50 }),
  })
  const count = (value: number) => value.toLocaleString('en')
  const steps = [
    {
      work: '1,000 keys a request',
      peer: 'itself, 100 keys a request',
      sides: [at(few, 1_000), at(few, 100)],
    },
    { work: '100 keys a request', peer: 'itself, 1 key a request', sides: [at(few, 100), at(few, 1)] },
  ]
  const comparisons: Comparison[] = []
  for (const { work, peer, sides } of steps) {
    const [gatewaySide, peerSide] = sides
    if (!gatewaySide || !peerSide) continue
    const loads = { gateway: gatewaySide, peer: peerSide }
    const rates = await runSides(effort.rounds, effort.seconds > 1, loads, async ({ keys, load }) => {
      const { requestsPerSecond } = await saturate(gateway.url, load, effort.seconds)
      return requestsPerSecond * keys
    })
    comparisons.push(compare({ area, work, peer, measure: 'keys a second' }, pairsOf(rates), formatRate))
  }
  // The more keys there are, the less of them a processor's caches hold, whoever asks: so the same keys are asked for without the gateway too.
  for (const draw of [few, many]) {
    const { keys, load } = at(draw, 100)
    const sides = {
      gateway: async () => (await saturate(gateway.url, load, effort.seconds)).requestsPerSecond * keys,
      peer: async () => keys * (await mget(redisUrl, { ...draw, keys, seconds: effort.seconds })),
    }
    const rates = await runSides(effort.rounds, effort.seconds > 1, sides, (measure) => measure())
    const work = `100 keys a request, ${count(draw.users)} keys online`
    const peer = 'ioredis alone, MGET of the same keys'
    comparisons.push(compare({ area, work, peer, measure: 'keys a second' }, pairsOf(rates), formatRate))
  }
  return comparisons
}

/** Of the gateway's process under load without a pause, in the last third of the time beside the third before it. */
async function memory(gateway: BenchGateway, effort: Effort): Promise<Comparison> {
  const { users, memorySeconds } = effort
  const queryId = await serveUsers(gateway, users)
  const load = graphqlWorkload({ queryId, users, keys: 100, bodies: 100 })
  const resident: number[] = []
  const timer = setInterval(
    () => void residentMb(`${gateway.pid}`, 'VmRSS').then((mb) => resident.push(mb)),
    250,
  )
  const { requestsPerSecond } = await saturate(gateway.url, load, memorySeconds)
  clearInterval(timer)
  const third = Math.floor(resident.length / 3)
  const pairs = resident
    .slice(2 * third, 3 * third)
    .map((mb, i) => ({ gateway: mb, peer: resident[third + i] ?? Number.NaN }))
  const requests = Math.round(requestsPerSecond * memorySeconds).toLocaleString('en')
  return compare(
    {
      area,
      work: `100 keys a request, ${requests} requests in ${memorySeconds} s`,
      peer: 'itself, a third of the time before',
      measure: 'resident memory',
    },
    pairs,
    (mb) => `${mb.toFixed(0)} MiB`,
  )
}

function pairsOf(rates: readonly Record<string, number>[]) {
  return rates.map((round) => ({ gateway: round.gateway ?? 0, peer: round.peer ?? 0 }))
}

function formatRate(rate: number): string {
  return Math.round(rate).toLocaleString('en')
}
