// What a service's ETL gives is of the service's columns: for each entity, whichever was sampled, online, as of a moment and in training.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServicesGateway, startGateway } from './gateway.ts'

let gateway: ServicesGateway

const keys = Array.from({ length: 150 }, (_, k) => k)
/** Many values are whole, some are of a kind of their own, and some rows are of nulls. */
const rows = `SELECT k,
  CASE WHEN k % 11 = 3 THEN NULL WHEN k % 13 = 5 THEN 'nan'::DOUBLE WHEN k % 17 = 6 THEN '-inf'::DOUBLE WHEN k % 4 = 0 THEN k / 3 ELSE k::DOUBLE END AS d,
  CASE WHEN k % 5 = 0 THEN 9007199254740993 + k ELSE k END AS b,
  CASE WHEN k % 7 = 2 THEN NULL ELSE 'text ' || k END AS s,
  [k::DOUBLE, 'inf'::DOUBLE, CASE WHEN k % 3 = 0 THEN 0.5 END] AS l,
  CASE WHEN k % 9 <> 4 THEN {'a': CASE WHEN k % 2 = 0 THEN 'nan'::DOUBLE ELSE k::DOUBLE END, 'ß "x"': s} END AS st,
  TIMESTAMP '2026-01-01' + INTERVAL '1 second' * k AS t
  FROM (SELECT range::BIGINT AS k, 'in ' || range AS s FROM range(${keys.length}))`

const passing = `export const columns = { t: 'TIMESTAMP' }
export function transform({ d, b, s, l, st, t, amount }) {
  return { fare: d === null ? null : d * 2, seen: typeof d, b, s, l, st, t, share: amount / 4, isThere: d !== null }
}`

beforeAll(async () => {
  gateway = await startGateway()
  const queryId = await gateway.saveQuery('values', rows)
  await gateway.createView('values', queryId, ['k'])
})

afterAll(async () => {
  await gateway?.close()
})

interface NamedType {
  name: string
  type: string
}

interface Served {
  results: { features: Record<string, unknown>; error?: { code: string; message: string } }[]
}

async function createService(name: string, source: string, file = `${name}.js`) {
  const etlPath = await gateway.writeEtl(file, source)
  const { createFeatureService } = await gateway.data<{ createFeatureService: { columns: NamedType[] } }>(
    `mutation ($name: String!, $etlPath: String) {
      createFeatureService(name: $name, features: [{ view: "values" }], etlPath: $etlPath, requestColumns: [{ name: "amount", type: INT64 }]) { columns { name type } }
    }`,
    { name, etlPath },
  )
  return createFeatureService.columns
}

const amountOf = (k: number) => (k % 3 === 0 ? 4 * k : k)
const entities = keys.map((k) => ({ k, amount: amountOf(k) }))

async function served(service: string, more: object = {}): Promise<Served['results']> {
  const { status, body } = await gateway.rest('POST', '/online-features', { service, entities, ...more })
  expect(status).toBe(200)
  return (body as unknown as Served).results
}

async function trained(service: string) {
  const moment = new Date().toISOString()
  const spine = entities.map((entity) => ({ ...entity, event_timestamp: moment }))
  const { createTrainingSet } = await gateway.data<{
    createTrainingSet: {
      dataset: { rows: Record<string, unknown>[]; columns: NamedType[]; error: string | null }
    }
  }>(
    `mutation ($rows: JSON, $service: String!) {
      createTrainingSet(spine: { rows: $rows }, service: $service) { dataset { rows(limit: 1000) columns { name type } error } }
    }`,
    { rows: spine, service },
  )
  return createTrainingSet.dataset
}

test.each([
  ['each row', passing, 'js'],
  [
    'a frame of one row',
    passing
      .replace('function transform(', 'const extract = (rows) => rows.map((')
      .replace(') {', ') => {')
      .replace(/}$/, '})'),
    'js',
  ],
  [
    'SQL',
    'SELECT d * 2 AS fare, typeof(d) AS seen, b, s, l, st, t, amount / 4 AS share, d IS NOT NULL AS "isThere" FROM input',
    'sql',
  ],
])('%s: online, as of now and training give the same values of the same types', async (what, source, end) => {
  const name = `all_${what.replaceAll(' ', '_')}`
  const columns = await createService(name, source, `${name}.${end}`)
  expect(columns).toMatchObject([
    { name: 'fare', type: 'FLOAT64' },
    { name: 'seen', type: 'STRING' },
    { name: 'b', type: 'INT64' },
    { name: 's', type: 'STRING' },
    { name: 'l', type: 'LIST' },
    { name: 'st', type: 'STRUCT' },
    { name: 't', type: 'TIMESTAMP' },
    { name: 'share', type: 'FLOAT64' },
    { name: 'isThere', type: 'BOOLEAN' },
  ])
  const now = (await served(name)).map(({ features, error }) => {
    expect(error).toBeUndefined()
    return features
  })
  const then = await served(name, { as_of: new Date().toISOString() })
  expect(then.map(({ features }) => features)).toEqual(now)
  const dataset = await trained(name)
  expect(dataset.error).toBeNull()
  const names = columns.map((column) => column.name)
  expect(dataset.rows.map((row) => Object.fromEntries(names.map((key) => [key, row[key]])))).toEqual(now)
  const typeOf = new Map(dataset.columns.map((column) => [column.name, column.type]))
  expect(names.map((key) => typeOf.get(key))).toEqual(columns.map((column) => column.type))
})

test('numbers are FLOAT64 whatever was sampled, unless they are declared or bigints', async () => {
  const source = `export const columns = { declared: 'INT64' }
    export const transform = ({ k, b, amount }) => ({ whole: amount, declared: amount, large: BigInt(k) + 2n ** 60n, list: [amount] })`
  expect(await createService('whole_numbers', source)).toMatchObject([
    { name: 'whole', type: 'FLOAT64' },
    { name: 'declared', type: 'INT64' },
    { name: 'large', type: 'INT64' },
    { name: 'list', type: 'LIST' },
  ])
  const { features, __type } = await gateway.data<{
    features: unknown
    __type: { fields: { name: string; type: { name: string | null } }[] }
  }>(
    '{ features { wholeNumbers(k: 7, amount: 12) { whole declared large list } } __type(name: "WholeNumbers") { fields { name type { name } } } }',
  )
  expect(features).toEqual({
    wholeNumbers: { whole: 12, declared: 12, large: `${2n ** 60n + 7n}`, list: [12] },
  })
  expect(__type.fields.map(({ name, type }) => [name, type.name]).slice(0, 3)).toEqual([
    ['whole', 'Float'],
    ['declared', 'BigInt'],
    ['large', 'BigInt'],
  ])
})

test('what does not fit is an error that says what to declare, online and in training', async () => {
  const source = `export const transform = ({ k, amount }) => ({ x: amount > 400 ? 'text ' + k : k / 2 })`
  expect(await createService('turning', source)).toEqual([{ name: 'x', type: 'FLOAT64' }])
  const results = await served('turning')
  for (const [i, { features, error }] of results.entries()) {
    if (amountOf(i) <= 400) expect([features, error]).toEqual([{ x: i / 2 }, undefined])
    else {
      expect(features).toEqual({ x: null })
      expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH' })
      expect(error?.message).toMatch(
        /"x" is FLOAT64 and now STRING\. Declare them in the ETL, export const columns/,
      )
    }
  }
  await expect(trained('turning')).rejects.toThrow(
    /is FLOAT64 and now a value of row 103 that is the text [^ ]*text 102[^ ]*, not a number/,
  )
})

test('an ETL that fails for all rows, or gives a column of several types, makes no service', async () => {
  const messageOf = async (source: string) => {
    const etlPath = await gateway.writeEtl(`failing-${Math.random()}.js`, source)
    const { errors } = await gateway.createService({
      name: 'failing',
      features: [{ view: 'values' }],
      etlPath,
    })
    return errors?.[0]?.message
  }
  expect(await messageOf('export const transform = ({ s }) => ({ x: s.nothing.at })')).toMatch(/failed/)
  expect(await messageOf(`export const transform = ({ k, s }) => ({ x: k % 2 === 0 ? s : true })`)).toMatch(
    /"x" mixes BOOLEAN and STRING; give it one type throughout, or declare it/,
  )
})
