// Training sets over GraphQL and REST: made by a service or by features, told by their dataset, made again.

import { tableFromIPC, tableToIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, openGateway } from './gateway.ts'

/** Downloads are files of Arrow, uploads a stream. */
const streamOf = (file: Uint8Array) => tableToIPC(tableFromIPC(file), 'stream')

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>

const rates = `SELECT * FROM (VALUES (1, TIMESTAMP '2024-01-01', 0.5), (1, TIMESTAMP '2024-01-03', 0.25)) t(driver_id, happened, rate)`
const rows = [
  { driver_id: 1, event_timestamp: '2024-01-02T00:00:00Z', label: true },
  { driver_id: 2, event_timestamp: '2024-01-02T00:00:00Z', label: false },
]
const asked = [
  { ...rows[0], rate: 0.5 },
  { ...rows[1], rate: null },
]

beforeAll(async () => {
  gateway = await openGateway()
  server = await gateway.serve()
  const saved = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!) { queryTrain(queryName: "rates", query: $sql) { query { id } } }',
    { sql: rates },
  )
  const { catalog, featureServices } = gateway.services
  const view = await catalog.featureViews.create({
    name: 'rates',
    queryId: saved.queryTrain.query.id,
    etlId: null,
    indexKeys: ['driver_id'],
    refresh: 'MANUAL',
    tables: [],
  })
  await catalog.prisma.featureView.update({ where: { id: view.id }, data: { timestampColumn: 'happened' } })
  const features = [{ view: 'rates', features: null, prefix: null, keys: [] }]
  await featureServices.create({ name: 'pricing', features, etlPath: null, requestColumns: [] })
})

afterAll(async () => {
  await server?.close()
  await gateway?.close()
})

const told = `dataset {
  id status name rowCount columns { name } rows spine references query { id }
  profile { name type nulls distinct min max }
} notPointInTime`

interface Told {
  dataset: Record<string, unknown> & { id: string }
  notPointInTime: string[]
}

describe('createTrainingSet', () => {
  test('by a service answers with the dataset, which tells its spine, references and profile', async () => {
    const { createTrainingSet: made } = await server.data<{ createTrainingSet: Told }>(
      `mutation ($rows: JSON) { createTrainingSet(spine: { rows: $rows }, service: "pricing", name: "march") { ${told} } }`,
      { rows },
    )
    expect(made).toMatchObject({
      notPointInTime: [],
      dataset: {
        status: 'SUCCEEDED',
        name: 'march',
        rowCount: 2,
        query: null,
        rows: asked,
        spine: { rows: 2 },
        references: [
          {
            view: 'rates',
            query: 'rates@1',
            etl: null,
            keys: [{ key: 'driver_id', column: 'driver_id' }],
            timestampColumn: 'happened',
            features: [{ column: 'rate', name: 'rate' }],
          },
        ],
      },
    })
    expect(made.dataset.profile).toContainEqual({
      name: 'rate',
      type: 'DECIMAL',
      nulls: 1,
      distinct: 1,
      min: 0.5,
      max: 0.5,
    })
    const { remakeDataset } = await server.data<{ remakeDataset: { id: string; rows: unknown } }>(
      'mutation ($id: ID!) { remakeDataset(id: $id) { id rows } }',
      { id: made.dataset.id },
    )
    expect(remakeDataset.id).not.toBe(made.dataset.id)
    expect(remakeDataset.rows).toEqual(asked)
  })

  test('by features names them in full where that is asked for', async () => {
    const sql = "SELECT 1 AS driver_id, TIMESTAMP '2024-01-04' AS t, 'x' AS rate"
    const { createTrainingSet: made } = await server.data<{ createTrainingSet: Told }>(
      `mutation ($sql: String!) { createTrainingSet(spine: { sql: $sql }, features: [{ view: "rates" }], timestampColumn: "t", fullNames: true) { dataset { id rows spine } } }`,
      { sql },
    )
    expect(made.dataset).toMatchObject({
      rows: [{ driver_id: 1, t: '2024-01-04T00:00:00Z', rate: 'x', rates__rate: 0.25 }],
      spine: { sql },
    })
  })

  test.each([
    ['features: [{ view: "rates" }], service: "pricing"', 'BAD_USER_INPUT', /both are given/],
    ['', 'BAD_USER_INPUT', /neither is given/],
    ['service: "x"', 'NOT_FOUND', /x/],
    ['features: [{ view: "x" }]', 'NOT_FOUND', /x/],
  ])('refuses %s', async (what, code, message) => {
    const { errors } = await server.graphql(
      `mutation { createTrainingSet(spine: { sql: "SELECT 1 AS driver_id" } ${what && `, ${what}`}) { dataset { id } } }`,
    )
    expect(errors?.[0]).toMatchObject({ message: expect.stringMatching(message), extensions: { code } })
  })
})

describe('POST /training-sets', () => {
  const post = (body: unknown, query = '') =>
    fetch(`${server.url}/training-sets${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  test('answers with the dataset and where its files are', async () => {
    const response = await post({ spine: { rows }, features: [{ view: 'rates' }] })
    expect(response.status).toBe(200)
    const made = (await response.json()) as { dataset_id: string; downloads: { ndjson: string } }
    expect(made).toMatchObject({
      status: 'SUCCEEDED',
      columns: [{ name: 'driver_id' }, { name: 'event_timestamp' }, { name: 'label' }, { name: 'rate' }],
      not_point_in_time: [],
    })
    const lines = await (await fetch(`${server.url}${made.downloads.ndjson}`)).text()
    expect(
      lines
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(asked)
  })

  test('says what is wrong', async () => {
    const response = await post({ spine: { rows: [{ driver_id: 'x' }] }, service: 'pricing' })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      code: 'BAD_USER_INPUT',
      reason: expect.stringMatching(/Row 0 of the spine has .*"driver_id"/),
    })
  })

  const named = (names: readonly string[]) =>
    names.map((name) => ({ driver_id: 1, event_timestamp: '2024-01-02T00:00:00Z', [name]: 1 }))
  test.each([
    ['two names that differ in case alone', named(['Label', 'label']), 400, /"Label" and "label"/],
    ['a name that no text can be', named(['\ud800']), 400, /half a surrogate pair/],
    [
      'a table of many times what was sent',
      named(Array.from({ length: 4000 }, (_, i) => `c${i}`)),
      413,
      /Parquet/,
    ],
  ])('refuses of a spine %s', async (_, spineRows, status, reason) => {
    const response = await post({ spine: { rows: spineRows }, service: 'pricing' })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ reason: expect.stringMatching(reason) })
  })

  const csv =
    'driver_id,event_timestamp,code,weight,label\n1,2024-01-02,007,1.5,true\n,2024-01-02T00:00:00Z,8,,false\n'
  const form = (parts: Record<string, string | Blob>, file = 'labels.csv') => {
    const data = new FormData()
    for (const [name, part] of Object.entries(parts))
      if (typeof part === 'string') data.set(name, part)
      else data.set(name, part, file)
    return fetch(`${server.url}/training-sets`, { method: 'POST', body: data })
  }
  const request = JSON.stringify({ service: 'pricing' })
  const rowsOf = async (response: Response) => {
    const made = (await response.json()) as { dataset_id: string }
    const { dataset } = await server.data<{ dataset: { rows: unknown; spine: unknown } }>(
      'query ($id: ID!) { dataset(id: $id) { rows spine } }',
      { id: made.dataset_id },
    )
    return dataset
  }

  test('takes a spine as CSV, whose keys and times are read as what they are', async () => {
    const response = await form({ spine: new Blob([csv], { type: 'text/csv' }), request })
    expect(response.status).toBe(200)
    expect(await rowsOf(response)).toEqual({
      spine: { rows: 2 },
      rows: [
        {
          driver_id: 1,
          event_timestamp: '2024-01-02T00:00:00Z',
          code: '007',
          weight: 1.5,
          label: true,
          rate: 0.5,
        },
        {
          driver_id: null,
          event_timestamp: '2024-01-02T00:00:00Z',
          code: '8',
          weight: null,
          label: false,
          rate: null,
        },
      ],
    })
  })

  test.each(['parquet', 'arrow.stream', 'arrow.file'] as const)('takes a spine as %s', async (kind) => {
    const [format = ''] = kind.split('.')
    const query = "SELECT 1 AS driver_id, TIMESTAMP '2024-01-02' AS event_timestamp, 'x' AS label"
    const trained = await server.rest('POST', '/query/train?save=false', { query, query_name: 'x' })
    const file = await fetch(`${server.url}/datasets/${trained.body.dataset_id}.${format}`)
    const stream = kind === 'arrow.stream' ? streamOf(await file.bytes()) : await file.bytes()
    const type = `application/vnd.apache.${kind}`
    const response = await form({ request, spine: new Blob([new Uint8Array(stream)], { type }) })
    expect(response.status).toBe(200)
    expect((await rowsOf(response)).rows).toEqual([
      { driver_id: 1, event_timestamp: '2024-01-02T00:00:00Z', label: 'x', rate: 0.5 },
    ])
  })

  test.each([
    [{ request }, /no file in the part/],
    [{ spine: new Blob([csv], { type: 'text/csv' }) }, /no JSON in the part/],
    [{ spine: new Blob([csv], { type: 'text/csv' }), request: '{' }, /is no JSON/],
    [{ spine: new Blob([csv], { type: 'text/html' }), request }, /text\/html/],
    [{ spine: new Blob(['driver_id\nx\n'], { type: 'text/csv' }), request }, /Row 0 of the spine has/],
    [{ spine: new Blob(['PAR1'], { type: 'application/vnd.apache.parquet' }), request }, /could not be read/],
  ] satisfies [Record<string, string | Blob>, RegExp][])(
    'refuses a form whose parts are %o',
    async (parts, reason) => {
      const response = await form(parts)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({
        code: 'BAD_USER_INPUT',
        reason: expect.stringMatching(reason),
      })
    },
  )

  const begun = '--B\r\nContent-Disposition: form-data; name="spine"; filename="a.csv"\r\n\r\na,b'
  test.each([
    ['a file of the spine that breaks off', begun, 'B'],
    ['another file that breaks off', begun.replace('spine', 'other'), 'B'],
    ['a file of no known form that breaks off', begun.replace('a.csv', 'a.exe'), 'B'],
    ['no boundary', begun, null],
  ])('refuses %s, and goes on', async (_, body, boundary) => {
    const contentType = `multipart/form-data${boundary === null ? '' : `; boundary=${boundary}`}`
    const headers = { 'content-type': contentType }
    const broken = await fetch(`${server.url}/training-sets`, { method: 'POST', headers, body })
    expect(broken.status).toBe(400)
    expect(await broken.json()).toMatchObject({ reason: expect.stringMatching(/^The form cannot be read/) })
    const whole = await form({ spine: new Blob([csv], { type: 'text/csv' }), request })
    expect(whole.status).toBe(200)
  })
})

describe('A request with an idempotency key', () => {
  const trained = (key: string, query: string) =>
    server.graphql(
      `mutation ($key: String, $query: String!) { queryTrain(query: $query, queryName: "again", idempotencyKey: $key) { query { id } dataset { id status } } }`,
      { key, query },
    )
  const made = (key: string, given: unknown, waitMs = 30_000) =>
    server.graphql(
      `mutation ($key: String, $rows: JSON, $waitMs: Int) { createTrainingSet(spine: { rows: $rows }, service: "pricing", idempotencyKey: $key, waitMs: $waitMs) { dataset { id status } notPointInTime } }`,
      { key, rows: given, waitMs },
    )
  const count = () => gateway.services.catalog.prisma.dataset.count()

  test('is the same dataset as often as it is sent, at once or later, and however long it waits', async () => {
    const before = await count()
    const at = await Promise.all([made('set-1', rows), made('set-1', rows), made('set-1', rows, 20_000)])
    const later = await made('set-1', rows)
    const answers = [...at, later].map(({ data }) => data)
    expect(answers[0]).toMatchObject({ createTrainingSet: { dataset: { status: 'SUCCEEDED' } } })
    expect(answers).toEqual(answers.map(() => answers[0]))
    const queries = await Promise.all([1, 2].map(() => trained('query-1', 'SELECT 1 AS a')))
    expect(queries[0]?.data).toMatchObject({ queryTrain: { dataset: { status: 'SUCCEEDED' } } })
    expect(queries[1]?.data).toEqual(queries[0]?.data)
    expect(await count()).toBe(before + 2)
  })

  test('is a CONFLICT for another request, and BAD_USER_INPUT where it is no key', async () => {
    await made('set-2', rows)
    for (const answer of [await made('set-2', rows.slice(1)), await trained('set-2', 'SELECT 1 AS a')]) {
      expect(answer.errors?.[0]).toMatchObject({
        message: expect.stringMatching(/"set-2" stands for another request already, that of dataset dst_/),
        extensions: { code: 'CONFLICT' },
      })
    }
    const { errors } = await made(' ', rows)
    expect(errors?.[0]).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } })
  })

  test('fails again with what it failed with', async () => {
    const query = "SELECT CAST(a AS INTEGER) AS a FROM (VALUES ('x')) t(a)"
    const [first, again] = [await trained('fails', query), await trained('fails', query)]
    expect(first.errors?.[0]?.message).toMatch(/Could not convert/)
    expect(again.errors?.[0]?.message).toBe(first.errors?.[0]?.message)
  })

  test('is told over REST by its header, of a form with its file too', async () => {
    const headers = { 'idempotency-key': '"rest-1"' }
    const post = async (path: string, body: unknown) => {
      const response = await fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    }
    const asJson = { spine: { rows }, service: 'pricing' }
    const sets = [await post('/training-sets', asJson), await post('/training-sets', asJson)]
    expect(sets.map(({ status }) => status)).toEqual([200, 200])
    expect(sets[1]?.body.dataset_id).toBe(sets[0]?.body.dataset_id)
    expect((await post('/query/train', { query: 'SELECT 1 AS a', query_name: 'x' })).status).toBe(409)
    const form = async (labels: string) => {
      const data = new FormData()
      data.set('request', JSON.stringify({ service: 'pricing' }))
      data.set(
        'spine',
        new Blob([`driver_id,event_timestamp,label\n1,2024-01-02,${labels}\n`], { type: 'text/csv' }),
        'a.csv',
      )
      const sent = { method: 'POST', headers: { 'idempotency-key': 'form-1' }, body: data }
      const response = await fetch(`${server.url}/training-sets`, sent)
      return [response.status, ((await response.json()) as { dataset_id?: string }).dataset_id]
    }
    const [first, again, other] = [await form('a'), await form('a'), await form('b')]
    expect(first?.[0]).toBe(200)
    expect(again).toEqual(first)
    expect(other?.[0]).toBe(409)
  })
})
