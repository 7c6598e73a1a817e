// The example client on typed features: its copy of the schema is what the gateway has, and both its generators' types hold.

import { readFile } from 'node:fs/promises'
import { buildASTSchema, buildSchema, extendSchema, parse } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTransport, type Transport } from '../../../examples/client/transport.ts'
import { askFeatures, followRate } from '../../../examples/client/typed/by-codegen.ts'
import { cityOf } from '../../../examples/client/typed/by-tada.ts'
import { findChanges } from '../../../src/schema/changes.ts'
import { type ServicesGateway, startGateway } from '../../features/gateway.ts'

let gateway: ServicesGateway
let client: Transport

beforeAll(async () => {
  gateway = await startGateway()
  await gateway.data(
    `mutation { createTable(name: "rates", columns: [
       { name: "driver_id", type: INT64, nullable: false }, { name: "event_timestamp", type: TIMESTAMP, nullable: false },
       { name: "conv_rate", type: FLOAT64 } ]) { name } }`,
  )
  await write(0.25, '2026-01-01T00:00:00Z')
  const queryId = await gateway.saveQuery(
    'driver stats',
    `SELECT driver_id, event_timestamp, conv_rate, 12::INTEGER AS avg_daily_trips, 12.50::DECIMAL(18, 2) AS paid,
       DATE '2020-02-29' AS since, {'city': 'Zürich', 'floors': [1, 3, NULL]} AS home FROM feature_store.rates`,
  )
  await gateway.data(
    'mutation ($id: ID!) { createFeatureView(name: "driver_stats", queryId: $id, indexKey: "driver_id", timestampColumn: "event_timestamp") { id } }',
    { id: queryId },
  )
  const { errors } = await gateway.createService({
    name: 'driver_score',
    features: [{ view: 'driver_stats', features: ['conv_rate'] }],
    etlPath: await gateway.writeEtl(
      'score.ts',
      'export const transform = (row: { conv_rate: number; amount: number }) => ({ score: row.conv_rate * row.amount })',
    ),
    requestColumns: [{ name: 'amount', type: 'FLOAT64' }],
  })
  expect(errors).toBeUndefined()
  client = createTransport(gateway.url)
})

afterAll(() => gateway?.close())

const write = (rate: number, at: string) =>
  gateway.rest('POST', '/tables/rates/rows?wait=true', [
    { driver_id: 7, event_timestamp: at, conv_rate: rate },
  ])

test('the copy that the client is made from is what the gateway has', async () => {
  const own = await readFile('schema.graphql', 'utf8')
  const typed = await readFile('examples/client/typed/features.graphql', 'utf8')
  const copy = extendSchema(buildASTSchema(parse(own)), parse(typed))
  const live = buildSchema(await (await fetch(`${gateway.url}/schema.graphql`)).text())
  const changes = await findChanges(copy, live)
  expect(changes.filter(({ message }) => !/description/i.test(message))).toEqual([])
})

test('by codegen and by gql.tada it asks for features, and follows them, typed to the leaf', async () => {
  expect(await askFeatures(client, 7, [7, 8])).toEqual({
    rate: 0.25,
    paid: 12.5,
    since: '2020-02-29',
    city: 'Zürich',
    highest: 3,
    score: 3.125,
    trips: [
      [7, 'FRESH', 12],
      [8, 'NOT_FOUND', null],
    ],
  })
  const city: string | null = await cityOf(client, 7)
  expect(city).toBe('Zürich')
  const rates = followRate(client, 7)
  expect((await rates.next()).value).toBe(0.25)
  await write(0.5, '2026-01-02T00:00:00Z')
  expect((await rates.next()).value).toBe(0.5)
  await rates.return(undefined)
})
