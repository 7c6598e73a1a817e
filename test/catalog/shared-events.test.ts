// Events between two gateways on one PostgreSQL: what one publishes the other hears, whatever its size, over an interruption too.

import { once } from 'node:events'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openSharedEvents, type SharedEvents } from '../../src/catalog/database/postgres-events.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { quiet } from './place.ts'

let server: PostgresServer
const open: SharedEvents[] = []

beforeAll(async () => {
  server = await startPostgres()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((events) => events.close()))
})
afterAll(() => server.stop())

async function openEvents(): Promise<SharedEvents> {
  const events = await openSharedEvents({ connection: { connectionString: server.url }, log: quiet })
  open.push(events)
  return events
}

/** Collects the changed values of a view until `until` says that it is enough. */
function collect(events: SharedEvents, view: string, until: (values: readonly (string | null)[]) => boolean) {
  const { promise, resolve } = Promise.withResolvers<(string | null)[]>()
  const heard: (string | null)[] = []
  const end = events.listen('online', view, ({ values }) => {
    heard.push(...(values ?? [null]))
    if (!until(heard)) return
    end()
    resolve(heard)
  })
  return promise
}

describe('events on PostgreSQL', () => {
  it('reach the listeners of the other gateway and of this one, each once', async () => {
    const [one, other] = [await openEvents(), await openEvents()]
    const here: string[] = []
    one.listen('publishJob', 'job_1', ({ jobId }) => here.push(jobId))
    const there = new Promise((resolve) => other.listen('publishJob', 'job_1', resolve))
    const silent = new Promise((_, reject) => other.listen('publishJob', 'job_2', reject))
    one.publish('publishJob', 'job_1', { jobId: 'job_1' })
    expect(here).toEqual(['job_1'])
    expect(await Promise.race([there, silent])).toEqual({ jobId: 'job_1' })
    const last = collect(one, 'fv_1', (values) => values.includes('last'))
    other.publish('online', 'fv_1', { values: ['last'] })
    await last
    expect(here).toEqual(['job_1'])
  })

  it.each([
    ['plain ids', (i: number) => `user ${i}`, 5000],
    ['emoji, quotes, NUL and lone surrogates', (i: number) => `😀 "'\\ \0 \ud800 é ${i}`, 500],
    ['texts of 3 kB', (i: number) => `${i}`.padEnd(3000, 'x'), 20],
  ])('carry many index values whole: %s', async (_, value, count) => {
    const [one, other] = [await openEvents(), await openEvents()]
    const values = Array.from({ length: count }, (_, i) => value(i))
    const heard = collect(other, 'fv_1', (all) => all.length >= count)
    one.publish('online', 'fv_1', { values })
    expect(new Set(await heard)).toEqual(new Set(values))
  })

  it.each([
    [
      'more values than payloads take',
      Array.from({ length: 20_000 }, (_, i) => `user-id-of-some-length ${i}`),
    ],
    ['a value larger than a payload', ['small', 'x'.repeat(9000)]],
  ])('say that any value may have changed instead of carrying %s', async (_, values) => {
    const [one, other] = [await openEvents(), await openEvents()]
    const heard = collect(other, 'fv_1', () => true)
    one.publish('online', 'fv_1', { values })
    expect(await heard).toEqual([null])
  })

  it('tell every listener that anything may have changed once a lost connection is back, and flow again', async () => {
    const [one, other] = [await openEvents(), await openEvents()]
    const missed = collect(other, 'fv_1', () => true)
    const missedJob = new Promise((resolve) => other.listen('publishJob', 'job_1', resolve))
    await cutConnections()
    expect(await missed).toEqual([null])
    expect(await missedJob).toEqual({ jobId: 'job_1' })
    const heard = collect(other, 'fv_2', (values) => values.includes('a') || values.includes(null))
    one.publish('online', 'fv_2', { values: ['a'] })
    await heard
  })

  it('published while the server is away never wait or fail, and arrive once it is back', async () => {
    const [one, other] = [await openEvents(), await openEvents()]
    await server.kill()
    one.publish('online', 'fv_1', { values: ['a'] })
    const heard = collect(other, 'fv_1', () => true)
    await server.restart()
    expect(await heard).toEqual([null])
  })

  it('are refused by no server encoding', async () => {
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query(`CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`)
    await client.end()
    const connection = { connectionString: server.databaseUrl('latin') }
    const one = await openSharedEvents({ connection, log: quiet })
    const other = await openSharedEvents({ connection, log: quiet })
    open.push(one, other)
    const heard = collect(other, 'fv_1', () => true)
    one.publish('online', 'fv_1', { values: ['日本 😀'] })
    expect(await heard).toEqual(['日本 😀'])
  })

  it('cost the publisher next to nothing', async () => {
    const [one, other] = [await openEvents(), await openEvents()]
    const values = Array.from(
      { length: 250 },
      (_, i) => `018f3f2e-7c1a-7000-8000-${String(i).padStart(12, '0')}`,
    )
    let heardLast = () => {}
    const all = new Promise<void>((resolve) => {
      heardLast = resolve
    })
    other.listen('online', 'fv_1', () => {})
    other.listen('publishJob', 'job_last', heardLast)
    const startedMs = performance.now()
    let blockedMs = 0
    for (let i = 0; i < 200; i++) {
      const beforeMs = performance.now()
      one.publish('online', 'fv_1', { values })
      blockedMs += performance.now() - beforeMs
      await new Promise(setImmediate)
    }
    one.publish('publishJob', 'job_last', { jobId: 'job_last' })
    await all
    const totalMs = performance.now() - startedMs
    console.info(
      `200 events of 250 index values: ${((blockedMs * 1000) / 200).toFixed(0)} µs each in the publisher, all heard after ${totalMs.toFixed(0)} ms`,
    )
    expect(blockedMs).toBeLessThan(5000)
  })

  it('are left behind by a gateway that closes, its last ones sent', async () => {
    const [one, other] = [await openEvents(), await openEvents()]
    const heard = collect(other, 'fv_1', () => true)
    one.publish('online', 'fv_1', { values: ['last'] })
    await one.close()
    expect(await heard).toEqual(['last'])
  })
})

async function cutConnections() {
  const client = new pg.Client(server.url)
  await client.connect()
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'feature-gateway-events'`,
  )
  const ended = once(client, 'end')
  await client.end()
  await ended
}
