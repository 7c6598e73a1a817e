// Views in time, online: of a key's history the row whose time has come is served, on each warehouse and store, by key, in full and through an ETL.

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { LookupTarget, RealtimeResult } from '../../src/realtime/service.ts'
import { toText } from '../../src/values/byte-text.ts'
import { formatMicros } from '../../src/values/calendar.ts'
import type { Row } from '../../src/values/columns.ts'
import { writer } from '../limits.ts'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { tries } from '../thorough.ts'
import { openStack, type Stack } from './stack.ts'

const second = 1_000_000n
const day = 86_400n * second
const columns = ['key', 'happened', 'made', 'v']
const sql = 'SELECT key, happened, made, v FROM feature_store.readings'
const now = () => BigInt(Date.now()) * 1000n

/** Times from the moment that the row is asked about. */
type Reading = readonly [key: string | null, happened: bigint | null, made: bigint | null, v: number | null]
const toRows = (readings: readonly Reading[], at: bigint): Row[] =>
  readings.map(([key, happened, made, v]) => [
    key,
    happened === null ? null : formatMicros(at + happened),
    made === null ? null : formatMicros(at + made),
    v,
  ])

const valuesOf = (results: readonly RealtimeResult[]) =>
  results.map(({ status, rows }) => {
    const [row] = JSON.parse(toText(rows)) as { v: number | null }[]
    return row === undefined ? status : row.v
  })

const stops: (() => Promise<void>)[] = []

async function onServers(): Promise<Stack> {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  stops.push(postgres.stop, redis.stop)
  return openStack({ warehouseUrl: postgres.url, onlineUrl: redis.url })
}

describe.each([
  ['DuckDB and LMDB', () => openStack()],
  ['PostgreSQL and Redis', onServers],
] as const)('on %s', (_name, open) => {
  let stack: Stack

  beforeAll(async () => {
    stack = await open()
    await stack.warehouse.createTable({
      name: 'readings',
      columns: [
        { name: 'key', type: 'STRING', nullable: true },
        { name: 'happened', type: 'TIMESTAMP', nullable: true },
        { name: 'made', type: 'TIMESTAMP', nullable: true },
        { name: 'v', type: 'INT32', nullable: true },
      ],
    })
  })

  afterAll(async () => {
    await stack?.remove()
    for (const stop of stops.splice(0)) await stop()
  })

  type Given = Partial<Parameters<Stack['realtime']['createFeatureView']>[0]>

  async function viewOf(name: string, given: Given = {}, statement = sql) {
    const { id: queryId } = await stack.save(statement, name)
    const record = await stack.realtime.createFeatureView({
      name,
      queryId,
      etlId: null,
      indexKeys: ['key'],
      ttlSeconds: null,
      refresh: 'AUTO',
      timestampColumn: 'happened',
      createdColumn: 'made',
      ...given,
    })
    const target: LookupTarget = { queryId, etlPath: record.etlId, indexKey: 'key' }
    return { record, target }
  }

  const publish = (readings: readonly Reading[], at = now()) =>
    stack.publish('readings', columns, toRows(readings, at))

  /** When what is stored was computed. */
  async function computedAt(view: string, values: readonly string[]) {
    const [answer] = await stack.online.read([{ view, values }])
    return answer?.entries.map((entry) => entry?.computedAtMs)
  }

  test('A: the event ttl, and ties of event time by created time', async () => {
    const { target, record } = await viewOf('example A', { eventTtlSeconds: 10 * 86_400 })
    await stack.realtime.idle()
    // Each row of the spine is a key of its own, whose time is now.
    const spine = { 'A 1 first': ['1', 1n], 'A 1': ['1', 2n], 'A 2': ['2', 1n], 'A 3': ['3', 3n] } as const
    const history = [
      ['1', -1n, -1n, 11],
      ['1', 2n, 2n, 22],
      ['1', 3n, 3n, 33],
      ['2', -362n, -362n, 22],
      ['3', 1n, 3n, 10],
      ['3', 1n, 2n, 20],
    ] as const
    const readings = Object.entries(spine).flatMap(([key, [of, at]]) =>
      history
        .filter(([own]) => own === of)
        .map(([, t, made, v]): Reading => [key, (t - at) * day, (made - at) * day, v]),
    )
    await publish(readings)
    expect(valuesOf(await stack.lookUp(target, Object.keys(spine)))).toEqual([11, 22, 'EXPIRED', 10])
    expect(await stack.realtime.parity(record.id, 100)).toMatchObject({ mismatched: 0, missing: 0, extra: 0 })
  })

  test('B: event time counts before created time', async () => {
    const { target } = await viewOf('example B', {}, `${sql} WHERE key LIKE 'B%'`)
    await publish([
      ['B 1001', -2n * day, -2n * day, 10],
      ['B 1001', -2n * day, -1n * day, 20],
      ['B 1002', -2n * day, -1n * day, 30],
      ['B 1002', -1n * day, -2n * day, 40],
    ])
    expect(valuesOf(await stack.lookUp(target, ['B 1001', 'B 1002']))).toEqual([20, 40])
  })

  test('F: rows of the future alone are none yet, and nobody waits for a write when their time has come', async () => {
    const { target, record } = await viewOf('example F', {}, `${sql} WHERE key LIKE 'F%'`)
    await stack.realtime.idle()
    const at = now()
    await publish(
      [
        ['F soon', 1500n * 1000n, 0n, 1],
        ['F soon', day, 0n, 2],
        ['F both', -1n * day, 0n, 3],
        ['F both', 1500n * 1000n, 0n, 4],
        ['F later', day, 0n, 5],
      ],
      at,
    )
    const keys = ['F soon', 'F both', 'F later']
    const first = await stack.lookUp(target, keys)
    expect(valuesOf(first)).toEqual(['NOT_FOUND', 3, 'NOT_FOUND'])
    expect(first.map(({ eventTime, changesAt }) => [eventTime, changesAt])).toEqual([
      [null, at + 1500n * 1000n],
      [at - day, at + 1500n * 1000n],
      [null, at + day],
    ])
    const stored = await computedAt(record.id, keys)
    await expect.poll(async () => valuesOf(await stack.lookUp(target, keys))).toEqual([1, 4, 'NOT_FOUND'])
    const then = await stack.lookUp(target, keys)
    expect(then.map(({ source, eventTime }) => [source, eventTime])).toEqual([
      ['ONLINE', at + 1500n * 1000n],
      ['ONLINE', at + 1500n * 1000n],
      ['ONLINE', null],
    ])
    for (const { asOfMs, eventTime } of then)
      if (eventTime !== null) expect(BigInt(asOfMs ?? 0) * 1000n).toBeGreaterThanOrEqual(eventTime)
    expect(await computedAt(record.id, keys)).toEqual(stored)
    expect(await stack.realtime.parity(record.id, 100)).toMatchObject({ mismatched: 0, missing: 0, extra: 0 })
  })

  test('G: a late row takes the place of no newer one', async () => {
    const { target } = await viewOf('example G', {}, `${sql} WHERE key LIKE 'G%'`)
    await stack.realtime.idle()
    for (const [happened, v, expected] of [
      [-60n, 6, 6],
      [-1n, 8, 8],
      [-30n, 7, 8],
    ] as const) {
      await publish([['G', happened * day, 0n, v]])
      const [found] = await stack.lookUp(target, ['G'])
      expect([found?.source, ...valuesOf(found === undefined ? [] : [found])]).toEqual(['ONLINE', expected])
    }
  })

  test.each(['BY_KEY', 'FULL', 'MANUAL'] as const)(
    'whole rows are taken, and rows without key or time never, of a view refreshed %s',
    async (refresh) => {
      const mark = `N${refresh}`
      const { target, record } = await viewOf(
        `nulls ${refresh}`,
        { refresh },
        `${sql} WHERE key LIKE '${mark}%' OR key IS NULL`,
      )
      await publish([
        [`${mark} null`, -2n * day, 0n, 1],
        [`${mark} null`, -1n * day, 0n, null],
        [`${mark} untimed`, null, 0n, 2],
        [`${mark} both`, null, 0n, 3],
        [`${mark} both`, -3n * day, null, 4],
        [null, -1n * day, 0n, 5],
        [`${mark} created`, -1n * day, null, 9],
        [`${mark} created`, -1n * day, -9000n * day, 6],
        [`${mark} tied`, -1n * day, null, 7],
        [`${mark} tied`, -1n * day, null, null],
      ])
      await stack.realtime.refreshInFull(record.id)
      const keys = ['null', 'untimed', 'both', 'created', 'tied'].map((key) => `${mark} ${key}`)
      const found = await stack.lookUp(target, keys)
      expect(valuesOf(found)).toEqual([null, 'NOT_FOUND', 4, 6, 7])
      expect(await stack.realtime.parity(record.id, 100)).toMatchObject({
        mismatched: 0,
        missing: 0,
        extra: 0,
      })
    },
  )

  test('who follows a key is told when a row’s time comes, and when its event ttl ends', async () => {
    const { target, record } = await viewOf('followed', {}, `${sql} WHERE key LIKE 'T%'`)
    await stack.realtime.idle()
    await publish([['T', -1n * day, 0n, 1]])
    const updates = stack.realtime.updates(target, 'T', writer)[Symbol.asyncIterator]()
    onTestFinished(async () => void (await updates.return?.()))
    const told = async () => valuesOf([(await updates.next()).value as RealtimeResult])
    expect(await told()).toEqual([1])
    const comesAt = now() + second
    await publish([['T', 0n, 0n, 2]], comesAt)
    expect(await told()).toEqual([2])
    expect(now()).toBeGreaterThanOrEqual(comesAt)
    const eventTtlSeconds = Number((now() - comesAt) / second) + 2
    await stack.realtime.updateFeatureView(record.id, { eventTtlSeconds })
    expect(await told()).toEqual(['EXPIRED'])
    expect(now()).toBeGreaterThan(comesAt + BigInt(eventTtlSeconds) * second)
  })

  test('what is changed of the event ttl counts from the answer on, and nothing is computed for it', async () => {
    const { target, record } = await viewOf('changed ttl', {}, `${sql} WHERE key LIKE 'C%'`)
    await publish([['C', -2n * day, 0n, 1]])
    expect(valuesOf(await stack.lookUp(target, ['C']))).toEqual([1])
    await stack.realtime.updateFeatureView(record.id, { eventTtlSeconds: 86_400 })
    const [expired] = await stack.lookUp(target, ['C'])
    expect(expired).toMatchObject({ status: 'EXPIRED', source: 'ONLINE', rows: '[]' })
    await stack.realtime.updateFeatureView(record.id, { eventTtlSeconds: null })
    expect(valuesOf(await stack.lookUp(target, ['C']))).toEqual([1])
  })

  test('any histories are served as the rule says for the moment that each answer tells', async () => {
    let state = 7
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const statement = `${sql} WHERE key LIKE 'R%'`
    const views = await Promise.all([
      viewOf('random by key', { refresh: 'BY_KEY', eventTtlSeconds: 3 }, `${statement} -- by key`),
      viewOf('random in full', { refresh: 'FULL' }, `${statement} -- in full`),
    ])
    const at = now()
    const keys = Array.from({ length: tries({ all: 200, part: 60 }) }, (_, i) => `R${i}`)
    const readings = keys.flatMap((key) =>
      Array.from(
        { length: random(12) },
        (): Reading => [
          key,
          random(10) === 0 ? null : BigInt(random(16) - 8) * (second / 2n),
          random(3) === 0 ? null : BigInt(random(3)) * second,
          random(6) === 0 ? null : random(5),
        ],
      ),
    )
    for (let from = 0; from < readings.length; from += 100)
      await publish(readings.slice(from, from + 100), at)
    await stack.realtime.idle()
    let compared = 0
    for (let round = 0; round < 8; round++) {
      for (const { target, record } of views) {
        for (const [i, result] of (await stack.lookUp(target, keys)).entries()) {
          const own = readings.filter(([key]) => key === keys[i])
          expect(valuesOf([result]), `${record.name} ${keys[i]}`).toEqual([
            expectedOf(own, BigInt(result.asOfMs ?? 0) * 1000n - at, record.eventTtlSeconds),
          ])
          compared++
        }
      }
      await stack.realtime.updateFeatureView(views[0]?.record.id ?? '', { eventTtlSeconds: 1 + (round % 4) })
      const changed = views[0]
      if (changed !== undefined) changed.record = await stack.catalog.featureViews.byId(changed.record.id)
    }
    expect(compared).toBeGreaterThan(800)
    for (const { record } of views) {
      expect(await stack.realtime.parity(record.id, 100)).toMatchObject({
        mismatched: 0,
        missing: 0,
        extra: 0,
      })
    }
  })
})

test('parity shows where a training set holds something else of a moment of the past than was served then', async () => {
  let shift = 0n
  const stack = await openStack({
    featuresAsOf: (real) => (request) => real({ ...request, moment: request.moment - shift }),
  })
  onTestFinished(() => stack.remove())
  const { id: queryId } = await stack.save(
    'SELECT name AS key, CAST(creation_date AS INTEGER) AS v, make_timestamp(CAST(creation_date AS BIGINT) * 1000000) AS happened FROM feature_store.users',
    'of users',
  )
  const record = await stack.realtime.createFeatureView({
    name: 'of users',
    queryId,
    etlId: null,
    indexKeys: ['key'],
    ttlSeconds: null,
    refresh: 'AUTO',
    timestampColumn: 'happened',
  })
  await stack.realtime.idle()
  // An event each second: a second earlier every answer is another.
  await stack.publish(
    'users',
    ['user_id', 'name', 'creation_date'],
    Array.from({ length: 60 }, (_, i) => [`u${i}`, `k${i % 3}`, 1_760_000_000 + Math.floor(i / 3)]),
  )
  const clean = { mismatched: 0, missing: 0, extra: 0, undetermined: 0 }
  expect(await stack.realtime.parity(record.id, 10)).toMatchObject({ sampled: 3, ...clean })
  shift = second
  const found = await stack.realtime.parity(record.id, 10)
  expect(found.mismatched).toBeGreaterThanOrEqual(3)
  expect(found.examples[0]).toMatchObject({
    asOf: expect.stringMatching(/^2025-10-09T/),
    value: expect.any(String),
  })
})

/** All readings are looked through, each held against each. */
function expectedOf(own: readonly Reading[], moment: bigint, ttlSeconds: number | null) {
  const least = -(2n ** 63n)
  const come = own.filter(([, happened]) => happened !== null && happened <= moment)
  const rank = ([, happened, made, v]: Reading) => [
    happened ?? least,
    made ?? least,
    v === null ? -1n : BigInt(v),
  ]
  const isGreater = (a: Reading, b: Reading) => {
    const [x, y] = [rank(a), rank(b)]
    const differing = x.findIndex((value, i) => value !== y[i])
    return differing >= 0 && (x[differing] ?? 0n) > (y[differing] ?? 0n)
  }
  const newest = come.find((one) => !come.some((other) => isGreater(other, one)))
  if (newest === undefined) return 'NOT_FOUND'
  if (ttlSeconds !== null && (newest[1] ?? 0n) < moment - BigInt(ttlSeconds) * second) return 'EXPIRED'
  return newest[3]
}
