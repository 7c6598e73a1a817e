// What the tests of the Redis stores call and count, whether one server answers or a cluster.

import type { Redis } from 'ioredis'
import { expect } from 'vitest'
import type { OnlineStore, WriteEntry } from '../../src/online/port.ts'

/** No call may take longer than this while servers do not answer. */
export const boundMs = 6000

export function entry(value: string, version = 1): WriteEntry {
  return { value, version, computedAtMs: 5, rows: Buffer.from(`["${value}"]`), expiresInMs: null }
}

/** How often the server ran each command, by name, since the statistics were last reset. */
export async function commandCounts(client: Redis) {
  const info = await client.info('commandstats')
  const lines = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
  return Object.fromEntries(lines.map(([, name, calls]) => [name, Number(calls)]))
}

export function everyCall(store: OnlineStore): Record<string, () => Promise<unknown>> {
  return {
    read: () => store.read([{ view: 'v', values: ['1', '2'] }]),
    write: () =>
      store.write(
        'v',
        Array.from({ length: 2000 }, (_, i) => entry(`${i}`)),
      ),
    raiseWatermark: () => store.raiseWatermark('v', 1),
    removeBelow: () => store.removeBelow('v', 1),
    dropView: () => store.dropView('v'),
    sample: () => store.sample('v', 10),
    ping: () => store.ping(),
  }
}

export async function expectUnavailableInTime(store: OnlineStore) {
  const startedMs = performance.now()
  await Promise.all(
    Object.entries(everyCall(store)).map(([name, call]) =>
      expect(call(), name).rejects.toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' }),
    ),
  )
  expect(performance.now() - startedMs).toBeLessThan(boundMs)
}

export async function works(store: OnlineStore): Promise<boolean> {
  try {
    await store.write('works', [entry('1')])
    const [answer] = await store.read([{ view: 'works', values: ['1'] }])
    return answer?.entries[0]?.version === 1
  } catch {
    return false
  }
}

export const becomesUsable = (store: OnlineStore) =>
  expect.poll(() => works(store), { timeout: 15_000, interval: 50 }).toBe(true)
