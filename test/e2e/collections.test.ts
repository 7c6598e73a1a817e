// What lookups leave to the garbage collector.

import { expect, test } from 'vitest'
import { graphqlWorkload, serveUsers } from '../../bench/features.ts'
import { startGateway } from '../../bench/gateway.ts'
import { pace } from '../../bench/open-loop/pace.ts'

const users = 10_000

test('what lookups make is freed while it is young: a load of them takes no full collections', async () => {
  const gateway = await startGateway({})
  try {
    // By lookups of 10,000 index values, whose answers live longer than those of most.
    const queryId = await serveUsers(gateway, users)
    const load = graphqlWorkload({ queryId, users, keys: 100, bodies: 100 })
    const before = await fullCollections(gateway.url)
    const { requests } = await pace(gateway.url, load, 5_000, 4)
    expect(requests).toBe(20_000)
    expect((await fullCollections(gateway.url)) - before).toBeLessThanOrEqual(1)
  } finally {
    await gateway.stop()
  }
})

async function fullCollections(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^nodejs_gc_duration_seconds_count\{kind="major"\} (\d+)/m.exec(text)?.[1] ?? 0)
}
