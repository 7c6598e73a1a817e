// Millions of users online in short: their entries written as the gateway writes them, a sample compared with what it computes itself.

import { Redis } from 'ioredis'
import { plainTag, viewKey } from '../src/online/keys.ts'
import { pack, unpack } from '../src/online/packed.ts'
import { keyPrefix } from '../src/online/redis/store.ts'
import { saveUsers, userId, userRow } from './features.ts'
import type { BenchGateway } from './gateway.ts'

const keysPerWrite = 2_000
/** Writes under way at once. */
const writesAtOnce = 4

/** Saves the query, and has every user online without the gateway's computing each. Gives what their keys begin with, too. */
export async function fillUsers(
  gateway: BenchGateway,
  users: number,
  redisUrl: string,
): Promise<{ queryId: string; prefix: string }> {
  const queryId = await saveUsers(gateway, users)
  const redis = new Redis(redisUrl)
  try {
    const prefix = await prefixOf(gateway, queryId, users)
    await compareSample(gateway, redis, { queryId, prefix, users })
    const [example] = await redis.mgetBuffer(prefix + userId(0))
    if (!example) throw new Error(`Looking up ${userId(0)} has stored nothing under ${prefix}`)
    const { version, computedAtMs } = unpack(example)
    let next = 0
    const write = async () => {
      while (next < users) {
        const from = next
        next += keysPerWrite
        const pairs: (string | Buffer)[] = []
        for (let i = from; i < Math.min(next, users); i++) {
          const rows = Buffer.from(`[${JSON.stringify(userRow(i))}]`)
          pairs.push(prefix + userId(i), pack({ version, computedAtMs, rows }, {}))
        }
        await redis.mset(...pairs)
      }
    }
    await Promise.all(Array.from({ length: writesAtOnce }, write))
    return { queryId, prefix }
  } finally {
    redis.disconnect()
  }
}

/** What the view's keys begin with; looking a user up makes the view. */
export async function prefixOf(gateway: BenchGateway, queryId: string, users: number): Promise<string> {
  await lookUp(gateway, queryId, [userId(0), userId(users - 1)])
  const { savedQuery } = await gateway.data<{ savedQuery: { featureViews: { id: string }[] } }>(
    'query ($id: ID!) { savedQuery(id: $id) { featureViews { id } } }',
    { id: queryId },
  )
  const [view] = savedQuery.featureViews
  if (view === undefined) throw new Error(`The query ${queryId} is served by no feature view`)
  return `${keyPrefix}${viewKey(view.id)}:${plainTag}`
}

/** The gateway computes these from the warehouse; its rows have to be the ones that are written here. */
async function compareSample(
  gateway: BenchGateway,
  redis: Redis,
  { queryId, prefix, users }: { queryId: string; prefix: string; users: number },
) {
  const sample = Array.from({ length: 100 }, (_, i) => Math.floor((i * users) / 100))
  await redis.del(...sample.map((i) => prefix + userId(i)))
  const found = await lookUp(gateway, queryId, sample.map(userId))
  for (const [k, i] of sample.entries()) {
    const [computed, written] = [JSON.stringify(found[k]?.rows), JSON.stringify([userRow(i)])]
    if (computed !== written) throw new Error(`The gateway computes ${computed}, not ${written}`)
  }
}

async function lookUp(gateway: BenchGateway, queryId: string, indexValues: readonly string[]) {
  const { found } = await gateway.data<{ found: { rows: unknown }[] }>(
    'query ($q: ID!, $v: [String!]!) { found: queryRealtimeMany(queryId: $q, indexKey: "user_id", indexValues: $v) { rows } }',
    { q: queryId, v: indexValues },
  )
  return found
}
