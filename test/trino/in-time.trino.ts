// Features in time end to end on Trino: what is served at a moment, what is answered of past ones, and what training sets hold; and windows that end at as_of().

import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { formatMicros } from '../../src/values/calendar.ts'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from '../e2e/gateway.ts'
import { createTimedFacts, firstFact, type Served, writtenFact } from '../e2e/timed-facts.ts'
import { createDice } from '../fuzz/promise/dice.ts'
import { makePayments, makeQuery, momentOf, type WindowQuery } from '../training/as-of-windows.ts'
import type { Happened } from '../training/histories.ts'
import { execute, trinoUrl } from './open.ts'

const waves = 2
const servedMs = 6000
const users = 8

const dice = createDice(Number(process.env.IN_TIME_SEED ?? 20_261_204))
const payments = makePayments(dice, users, 200)
const facts = createTimedFacts({
  table: 'feature_store.facts',
  views: [
    { name: 'newest', indexKeys: ['key'], ttlSeconds: null, etl: false },
    { name: 'young', indexKeys: ['key'], ttlSeconds: 4, etl: false },
    { name: 'pairs', indexKeys: ['key', 'other'], ttlSeconds: null, etl: false },
    { name: 'byDay', indexKeys: ['key'], ttlSeconds: 86_400, etl: false, isByDay: true },
    { name: 'scripted', indexKeys: ['key'], ttlSeconds: 4, etl: true },
  ],
  dice,
  keys: 12,
  spreadMs: servedMs + 4000,
})

let folder: Awaited<ReturnType<typeof createDataFolder>>
let gateway: Awaited<ReturnType<typeof startGateway>>

beforeAll(async () => {
  folder = await createDataFolder('trino-in-time')
  gateway = await startGateway(folder.path, {
    WAREHOUSE_URL: trinoUrl('times'),
    LOOKUP_TIMEOUT_MS: '60000',
    ETL_SOURCES: folder.path,
  })
  await gateway.data(`mutation {
    facts: createTable(name: "facts", columns: [
      { name: "key", type: INT64 } { name: "other", type: STRING } { name: "time", type: TIMESTAMP }
      { name: "made", type: TIMESTAMP } { name: "value", type: INT64 } { name: "name", type: STRING }]) { name }
    payments: createTable(name: "payments", columns: [
      { name: "user_id", type: INT64 } { name: "ts", type: TIMESTAMP } { name: "amount", type: INT64 }]) { name }
  }`)
})

afterAll(async () => {
  await gateway?.stop()
  await folder?.remove()
})

async function ingest(table: string, rows: readonly object[]) {
  const { ingest: job } = await gateway.data<{ ingest: { id: string } }>(
    'mutation ($table: String!, $rows: JSON!) { ingest(table: $table, rows: $rows) { id } }',
    { table, rows },
  )
  expect(await gateway.services.publishing.wait(job.id)).toMatchObject({ status: 'SUCCEEDED' })
}

test('random histories are served, answered and trained as the rules say', { timeout: 900_000 }, async () => {
  let rows: Happened[] = [firstFact]
  await ingest('facts', rows.map(writtenFact))
  await facts.makeViews(gateway, folder.path)
  let compared = 0
  for (let wave = 0; wave < waves; wave++) {
    const batch = Array.from({ length: 150 }, facts.happen)
    rows = [...rows, ...batch]
    await ingest('facts', batch.map(writtenFact))
    const served: Served[] = []
    for (const endMs = Date.now() + servedMs; Date.now() < endMs; await pause(100))
      served.push(...(await facts.serve(gateway, 25)))
    compared += await facts.compareServed(gateway, rows, served)
    compared += await facts.comparePast(gateway, rows, 2)
  }
  console.info(`${compared} comparisons`)
  expect(compared).toBeGreaterThan(waves * 150)
})

async function makeWindows(name: string, { sql }: WindowQuery) {
  const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } } }',
    { sql: `${sql} -- ${name}`, name },
  )
  const queryId = queryTrain.query.id
  await gateway.data(
    'mutation ($name: String!, $queryId: ID!) { createFeatureView(name: $name, queryId: $queryId, indexKey: "user_id", ttlSeconds: 3600) { id } }',
    { name, queryId },
  )
  return queryId
}

test('windows that end at as_of() are the same in training, of past moments and now', {
  timeout: 900_000,
}, async () => {
  await ingest(
    'payments',
    payments.map(({ user, ts, amount }) => ({ user_id: user, ts: formatMicros(ts), amount })),
  )
  let compared = 0
  for (let round = 0; round < waves; round++) {
    const query = makeQuery(dice, payments)
    const view = `windows_${round}`
    const queryId = await makeWindows(view, query)
    const expected = (user: number, moment: bigint) => {
      const row = query.rowOf(user, moment) ?? query.names.map(() => null)
      return Object.fromEntries(query.names.map((name, i) => [name, row[i] ?? null]))
    }
    const moments = Array.from({ length: 3 }, () => momentOf(dice))
    const asked = moments.flatMap((moment) => Array.from({ length: users }, (_, user) => ({ user, moment })))
    for (const moment of moments) {
      const { onlineFeatures } = await gateway.data<{ onlineFeatures: { features: object }[] }>(
        `query ($features: [FeatureRefInput!], $entities: [JSON!]!, $asOf: DateTime) { onlineFeatures(features: $features, entities: $entities, asOf: $asOf) { features } }`,
        {
          features: [{ view }],
          entities: Array.from({ length: users }, (_, user_id) => ({ user_id })),
          asOf: formatMicros(moment),
        },
      )
      for (const [user, { features }] of onlineFeatures.entries())
        expect(features, `${query.sql} of ${user} at ${moment}`).toEqual(expected(user, moment))
    }
    const { createTrainingSet } = await gateway.data<{
      createTrainingSet: { dataset: { status: string; rows: Record<string, unknown>[] } }
    }>(
      `mutation ($rows: JSON!, $view: String!) { createTrainingSet(spine: { rows: $rows }, features: [{ view: $view }], timestampColumn: "at", waitMs: 300000) { dataset { status rows(limit: 1000) } } }`,
      { view, rows: asked.map(({ user, moment }) => ({ user_id: user, at: formatMicros(moment) })) },
    )
    expect(createTrainingSet.dataset.status).toBe('SUCCEEDED')
    for (const [i, { user, moment }] of asked.entries())
      expect(createTrainingSet.dataset.rows[i], `${query.sql} of ${user} at ${moment}`).toMatchObject(
        expected(user, moment),
      )
    const { queryRealtimeMany } = await gateway.data<{
      queryRealtimeMany: { asOf: string; rows: object[] }[]
    }>(
      'query ($queryId: ID!, $values: [String!]!) { queryRealtimeMany(queryId: $queryId, indexKey: "user_id", indexValues: $values) { asOf rows } }',
      { queryId, values: Array.from({ length: users }, (_, user) => String(user)) },
    )
    for (const [user, { asOf, rows }] of queryRealtimeMany.entries()) {
      const now = query.rowOf(user, BigInt(Date.parse(asOf)) * 1000n)
      expect(rows.length, `${query.sql} of ${user} now`).toBe(now === null ? 0 : 1)
      if (now !== null) expect(rows[0]).toMatchObject(expected(user, BigInt(Date.parse(asOf)) * 1000n))
    }
    compared += 2 * asked.length + users
  }
  console.info(`${compared} comparisons`)
})

test.each(['timestamp(3)', 'timestamp(6) with time zone', 'timestamp(0)', 'date'])(
  'a schedule finds what was written since, by a created column of type %s',
  async (type) => {
    const table = `made_${type.replace(/\W+/g, '_')}`
    await execute('times', `CREATE SCHEMA IF NOT EXISTS sales`)
    await execute(
      'times',
      `CREATE TABLE sales.${table} (key bigint, time timestamp(6), made ${type}, value bigint)`,
    )
    const write = (key: number, value: number) =>
      execute(
        'times',
        `INSERT INTO sales.${table} SELECT ${key}, localtimestamp(6) - INTERVAL '1' SECOND, CAST(now() AS ${type}), ${value}`,
      )
    await write(1, 1)
    const sql = `SELECT key, time, made, value FROM sales.${table}`
    const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } } }',
      { sql, name: table },
    )
    await gateway.data(
      `mutation ($name: String!, $queryId: ID!) { createFeatureView(name: $name, queryId: $queryId, indexKey: "key", timestampColumn: "time", createdColumn: "made", refreshEvery: "5s") { id } }`,
      { name: table, queryId: queryTrain.query.id },
    )
    const values = async () =>
      (await gateway.lookUp(queryTrain.query.id, 'key', ['1', '2'])).map(({ rows: [row] }) => row?.value)
    await expect.poll(values, { timeout: 60_000 }).toEqual([1, undefined])
    await write(1, 10)
    await write(2, 20)
    await expect.poll(values, { timeout: 90_000 }).toEqual([10, 20])
    const { featureViews } = await gateway.data<{
      featureViews: { edges: { node: { name: string; freshness: { newestEventTime: string } } }[] }
    }>('{ featureViews(first: 100) { edges { node { name freshness { newestEventTime } } } } }')
    const newest = featureViews.edges.find(({ node }) => node.name === table)?.node.freshness.newestEventTime
    expect(Date.parse(newest ?? '')).toBeGreaterThan(Date.now() - 120_000)
  },
)
