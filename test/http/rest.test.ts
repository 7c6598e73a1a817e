// REST for clients of the earlier API, downloads, OpenAPI and health.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { parseByteRange } from '../../src/http/rest/byte-range.ts'
import { type Gateway, openGateway } from './gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>

beforeAll(async () => {
  gateway = await openGateway({ ETL_SOURCES: `${import.meta.dirname}/etl` })
  server = await gateway.serve()
})

afterAll(async () => {
  await server.close()
  await gateway.close()
})

async function train(sql: string, name: string) {
  const { status, body } = await server.rest('POST', '/query/train?save=true', {
    query: sql,
    query_name: name,
  })
  expect(body).toMatchObject({ dataset_id: expect.stringMatching(/^dst_/) })
  expect(status).toBe(200)
  return body as {
    query_id: string
    dataset_id: string
    data: unknown[]
    truncated: boolean
    columns: unknown
  }
}

describe('the five routes', () => {
  test('PUT /publish answers once the flows are written and served', async () => {
    const { status, body } = await server.rest('PUT', '/publish?n_flows=30')
    expect(status).toBe(200)
    expect(body).toEqual({ msg: 'Published 30 flows', job_id: expect.stringMatching(/^job_/) })
    const { data } = await train('SELECT count(*) AS quotes FROM feature_store.quotes', 'count')
    expect(data).toEqual([{ quotes: 30 }])
  })

  test('PUT /publish works with a content type and no body, as some clients send it', async () => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${server.url}/publish?n_flows=1`, { method: 'PUT', headers })
    expect(response.status).toBe(200)
    await response.json()
  })

  test('a client that walks away from PUT /publish does not cancel it', async () => {
    const before = await train('SELECT count(*) AS quotes FROM feature_store.quotes', 'count')
    const controller = new AbortController()
    const begun = Promise.withResolvers<string>()
    const watched = await gateway.serve({
      services: {
        ...gateway.services,
        publishing: {
          ...gateway.services.publishing,
          wait(jobId) {
            begun.resolve(jobId)
            return gateway.services.publishing.wait(jobId)
          },
        },
      },
    })
    const gone = fetch(`${watched.url}/publish?n_flows=40`, { method: 'PUT', signal: controller.signal })
    const jobId = await begun.promise
    controller.abort()
    await expect(gone).rejects.toThrow()
    expect(await gateway.services.publishing.wait(jobId)).toMatchObject({ status: 'SUCCEEDED', done: 40 })
    await watched.close()
    const after = await train('SELECT count(*) AS quotes FROM feature_store.quotes', 'count')
    expect(after.data).toEqual([{ quotes: (before.data[0] as { quotes: number }).quotes + 40 }])
  })

  test('POST /query/train gives columns and rows, and POST /query/realtime the same rows', async () => {
    const trained = await train("SELECT i AS n, 'x' || i AS name FROM range(3) r(i)", 'names')
    expect(trained).toEqual({
      query_id: expect.stringMatching(/^qry_/),
      dataset_id: expect.stringMatching(/^dst_/),
      columns: [
        { name: 'n', type: 'INT64', nullable: false },
        { name: 'name', type: 'STRING', nullable: false },
      ],
      data: [
        { n: 0, name: 'x0' },
        { n: 1, name: 'x1' },
        { n: 2, name: 'x2' },
      ],
      truncated: false,
    })
    for (const value of ['2', 2]) {
      const { status, body } = await server.rest('POST', '/query/realtime', {
        query_id: trained.query_id,
        index_key: 'n',
        index_value: value,
      })
      expect(status).toBe(200)
      expect(body).toMatchObject({ data: [{ n: 2, name: 'x2' }], status: 'FRESH' })
      expect(new Date(body.as_of as string).getTime()).toBeGreaterThan(Date.now() - 60_000)
    }
  })

  test('POST /query/realtime finds by several columns, as lists or as the text of a list', async () => {
    const sql = "SELECT i AS n, CAST(i % 2 AS VARCHAR) || ',' AS odd, 'x' || i AS name FROM range(4) r(i)"
    const { query_id } = await train(sql, 'several')
    for (const [index_key, index_value] of [
      [
        ['n', 'odd'],
        [3, '1,'],
      ],
      ['["n","odd"]', '[3,"1,"]'],
      [['odd', 'n'], '["1,","3"]'],
      [['n'], [3]],
    ]) {
      const { status, body } = await server.rest('POST', '/query/realtime', {
        query_id,
        index_key,
        index_value,
      })
      expect([status, body.data]).toEqual([200, [{ n: 3, odd: '1,', name: 'x3' }]])
    }
    const index_key = ['n', 'odd']
    for (const index_value of ['3', [3], [3, '0,', 1], [3, null], []]) {
      const { status, body } = await server.rest('POST', '/query/realtime', {
        query_id,
        index_key,
        index_value,
      })
      expect([status, body.code], JSON.stringify(index_value)).toEqual([400, 'BAD_USER_INPUT'])
    }
    const absent = await server.rest('POST', '/query/realtime', {
      query_id,
      index_key,
      index_value: [3, '0,'],
    })
    expect(absent.body).toMatchObject({ data: [], status: 'NOT_FOUND' })
  })

  test('POST /query/train holds a thousand rows at most and says so', async () => {
    const { data, truncated } = await train('SELECT i AS n FROM range(1001) r(i)', 'thousand')
    expect(data).toHaveLength(1000)
    expect(truncated).toBe(true)
  })

  test('POST /query/train?save=false saves nothing', async () => {
    const request = { query: 'SELECT 1 AS one', query_name: 'unsaved' }
    const { body } = await server.rest('POST', '/query/train?save=false', request)
    expect(body).toMatchObject({ query_id: null, data: [{ one: 1 }] })
    expect(await server.data('{ savedQuery(name: "unsaved") { id } }')).toEqual({ savedQuery: null })
  })

  test('POST /extract/train and /extract/realtime give the same features', async () => {
    const { query_id } = await train('SELECT i AS n FROM range(3) r(i)', 'numbers')
    const etl_path = `file:${import.meta.dirname}/etl/double.sql`
    const trained = await server.rest('POST', '/extract/train?save=true', { query_id, etl_path })
    expect(trained.status, JSON.stringify(trained.body)).toBe(200)
    expect(trained.body).toMatchObject({ etl_id: expect.stringMatching(/^etl_/), truncated: false })
    expect(trained.body.data).toContainEqual({ n: 2, twice: 4 })
    const looked = await server.rest('POST', '/extract/realtime', {
      query_id,
      etl_path,
      index_key: 'n',
      index_value: '2',
    })
    expect(looked.body).toMatchObject({ data: [{ n: 2, twice: 4 }], status: 'FRESH' })
  })
})

describe('many at once', () => {
  test('one bad key takes none of the others, on the hot path and beside it', async () => {
    const { query_id } = await train("SELECT i AS n, 'x' || i AS name FROM range(3) r(i)", 'many')
    const ask = (index_values: unknown[], url = '/query/realtime/many', more = {}) =>
      server.rest('POST', url, { query_id, index_key: 'n', index_values, ...more })
    const results = [
      { data: [{ n: 1, name: 'x1' }], status: 'FRESH', source: 'ONLINE', as_of: expect.any(String) },
      {
        data: [],
        status: 'FAILED',
        source: 'WAREHOUSE',
        as_of: null,
        error: { code: 'BAD_USER_INPUT', message: expect.stringContaining('"é"') },
      },
      { data: [], status: 'NOT_FOUND', source: 'ONLINE', as_of: expect.any(String) },
    ]
    await ask(['1', '404'])
    expect(await ask(['1', 'é', '404'])).toEqual({ status: 200, body: { results } })
    // A number is read by the route's schema, not on the hot path.
    expect(await ask([1, 'é', '404'])).toEqual({ status: 200, body: { results } })
    expect(await ask([])).toEqual({ status: 200, body: { results: [] } })

    const etl_path = `file:${import.meta.dirname}/etl/refuse.js`
    const extracted = await ask(['0', '1', '2'], '/extract/realtime/many', { etl_path })
    expect(extracted.body).toMatchObject({
      results: [
        { data: [{ key: 0 }], status: 'FRESH' },
        { data: [], status: 'FAILED', error: { code: 'ETL_FAILED' } },
        { data: [{ key: 2 }], status: 'FRESH' },
      ],
    })
    expect(await ask(['1'], '/query/realtime/many', { index_key: 'o' })).toMatchObject({
      status: 400,
      body: { code: 'BAD_USER_INPUT' },
    })
  })

  test('alone, a value that fails is the failure of its request', async () => {
    const { query_id } = await train('SELECT i AS n FROM range(3) r(i)', 'alone')
    const alone = await server.rest('POST', '/query/realtime', { query_id, index_key: 'n', index_value: 'x' })
    expect(alone).toMatchObject({ status: 400, body: { code: 'BAD_USER_INPUT' } })
  })
})

describe('failures', () => {
  const shape = { msg: expect.any(String), reason: expect.any(String), code: expect.any(String) }

  test.each([
    ['a route that is not there', 'GET', '/nowhere', undefined, 404, 'NOT_FOUND'],
    ['malformed JSON', 'POST', '/query/train', '{"query":', 400, 'BAD_USER_INPUT'],
    ['a field that is missing', 'POST', '/query/train', { query: 'SELECT 1' }, 400, 'BAD_USER_INPUT'],
    ['a number out of bounds', 'PUT', '/publish?n_flows=0', undefined, 400, 'BAD_USER_INPUT'],
    ['a number that is none', 'PUT', '/publish?n_flows=many', undefined, 400, 'BAD_USER_INPUT'],
    ['SQL that fails', 'POST', '/query/train', { query: 'SELECT FROM', query_name: 'x' }, 400, 'INVALID_SQL'],
    [
      'a query that is not there',
      'POST',
      '/query/realtime',
      { query_id: 'qry_0', index_key: 'n', index_value: '1' },
      404,
      'NOT_FOUND',
    ],
    [
      'a body beyond 4 MB',
      'POST',
      '/query/train',
      { query: 'x'.repeat(5 * 1024 * 1024), query_name: 'x' },
      413,
      'TOO_LARGE',
    ],
    ['a dataset that is not there', 'GET', '/datasets/dst_0.parquet', undefined, 404, 'NOT_FOUND'],
    ['a format that is none', 'GET', '/datasets/dst_0.xlsx', undefined, 400, 'BAD_USER_INPUT'],
    ['a path that cannot be decoded', 'GET', '/datasets/%E0%A4%A.csv', undefined, 400, 'BAD_USER_INPUT'],
  ])('%s is {msg, reason, code}', async (_name, method, path, sent, status, code) => {
    const answer = await server.rest(method, path, sent)
    expect(answer.body).toEqual({ ...shape, code })
    expect(answer.status).toBe(status)
  })

  test('a body of another content type is 415', async () => {
    const response = await fetch(`${server.url}/query/train`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'SELECT 1',
    })
    expect(response.status).toBe(415)
    expect(await response.json()).toEqual({
      ...shape,
      code: 'BAD_USER_INPUT',
      reason: 'text/plain is not taken here; send it as application/json.',
    })
    const spine = { method: 'POST', headers: { 'content-type': 'text/csv' }, body: 'a,b' }
    expect(await (await fetch(`${server.url}/training-sets`, spine)).json()).toMatchObject({
      reason: 'text/csv is not taken here; send it as application/json or multipart/form-data.',
    })
  })

  test('a store that does not answer is 503', async () => {
    const down = new AppError('ONLINE_STORE_UNAVAILABLE', 'The online store does not answer')
    const failing = await gateway.serve({
      services: {
        ...gateway.services,
        realtime: { ...gateway.services.realtime, createLoader: () => ({ load: async () => [down] }) },
      },
    })
    const request = { query_id: 'qry_0', index_key: 'n', index_value: '1' }
    const { status, body } = await failing.rest('POST', '/query/realtime', request)
    await failing.close()
    expect(status).toBe(503)
    expect(body).toEqual({ ...shape, code: 'ONLINE_STORE_UNAVAILABLE' })
  })
})

describe('downloads', () => {
  let downloads: Record<'parquet' | 'arrow' | 'csv' | 'ndjson', string>
  let whole: Uint8Array
  let etag: string

  beforeAll(async () => {
    const { dataset_id: id } = await train(
      "SELECT i AS n, 'name ' || i AS name FROM range(5000) r(i)",
      'downloaded',
    )
    const { dataset } = await server.data<{ dataset: { downloads: typeof downloads } }>(
      `{ dataset(id: "${id}") { downloads { parquet arrow csv ndjson } } }`,
    )
    downloads = dataset.downloads
    const response = await fetch(downloads.parquet)
    whole = await response.bytes()
    etag = response.headers.get('etag') ?? ''
    expect(response.status).toBe(200)
    expect(response.headers.get('content-length')).toBe(String(whole.length))
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${id}.parquet"`)
    expect(response.headers.get('accept-ranges')).toBe('bytes')
  })

  const get = (headers: Record<string, string>, method = 'GET') =>
    fetch(downloads.parquet, { method, headers })

  test('their URLs are absolute and begin as the request did', () => {
    for (const url of Object.values(downloads))
      expect(url.startsWith(`${server.url}/datasets/dst_`)).toBe(true)
  })

  test.each([
    ['bytes=0-3', 0, 4],
    ['bytes=-4', -4, undefined],
    ['bytes=100-', 100, undefined],
    ['bytes=10-99999999', 10, undefined],
  ])('Parquet by range: %s', async (range, start, end) => {
    const response = await get({ range })
    const bytes = await response.bytes()
    expect(response.status).toBe(206)
    expect(bytes).toEqual(whole.slice(start, end))
    const first = start < 0 ? whole.length + start : start
    expect(response.headers.get('content-range')).toBe(
      `bytes ${first}-${first + bytes.length - 1}/${whole.length}`,
    )
  })

  test('a range beyond the file is 416 and says how long it is', async () => {
    const response = await get({ range: `bytes=${whole.length}-` })
    expect(response.status).toBe(416)
    expect(response.headers.get('content-range')).toBe(`bytes */${whole.length}`)
    expect(await response.json()).toMatchObject({ code: 'BAD_USER_INPUT' })
  })

  test('several ranges, or one that cannot be read, give the whole', async () => {
    for (const range of ['bytes=0-1,4-5', 'lines=1-2', 'bytes=5-2', 'bytes=-']) {
      const response = await get({ range })
      expect(response.status).toBe(200)
      expect(await response.bytes()).toEqual(whole)
    }
  })

  test('If-Range takes the range for this file only', async () => {
    expect((await get({ range: 'bytes=0-3', 'if-range': etag })).status).toBe(206)
    expect((await get({ range: 'bytes=0-3', 'if-range': '"another"' })).status).toBe(200)
  })

  test('a copy that is known is not sent again', async () => {
    const response = await get({ 'if-none-match': `"other", ${etag}` })
    expect(response.status).toBe(304)
    expect(await response.text()).toBe('')
  })

  test('HEAD tells the length without the file, and of a range', async () => {
    const response = await get({}, 'HEAD')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-length')).toBe(String(whole.length))
    expect(await response.text()).toBe('')
    const ranged = await get({ range: 'bytes=0-3' }, 'HEAD')
    expect(ranged.status).toBe(206)
    expect(ranged.headers.get('content-length')).toBe('4')
    expect((await fetch(downloads.csv, { method: 'HEAD' })).headers.get('content-type')).toContain('text/csv')
  })

  test('CSV and NDJSON hold every row', async () => {
    const csv = (await (await fetch(downloads.csv)).text()).trim().split('\n')
    expect(csv).toHaveLength(5001)
    const ndjson = (await (await fetch(downloads.ndjson)).text()).trim().split('\n')
    expect(ndjson).toHaveLength(5000)
    expect(JSON.parse(ndjson[0] ?? '')).toEqual({ n: 0, name: 'name 0' })
    const arrow = await fetch(downloads.arrow)
    expect(Buffer.from(await arrow.arrayBuffer()).toString('latin1', 0, 6)).toBe('ARROW1')
  })

  test('a client that walks away gives up the making of its file', async () => {
    const ended = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const watched = await gateway.serve({
      services: {
        ...gateway.services,
        training: {
          ...gateway.services.training,
          download(_id, _format, signal) {
            asked.resolve()
            signal.addEventListener('abort', () => ended.resolve())
            return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
          },
        },
      },
    })
    const controller = new AbortController()
    const response = fetch(`${watched.url}/datasets/dst_0.ndjson`, { signal: controller.signal })
    await asked.promise
    controller.abort()
    await expect(response).rejects.toThrow()
    await ended.promise
    await watched.close()
  })

  test.each(['csv', 'ndjson', 'arrow'] as const)(
    '%s says how long it is, and gives parts of itself',
    async (format) => {
      const all = await fetch(downloads[format])
      const bytes = await all.bytes()
      expect(all.headers.get('content-length')).toBe(String(bytes.length))
      const head = await fetch(downloads[format], { method: 'HEAD' })
      expect(head.headers.get('content-length')).toBe(String(bytes.length))
      expect(head.headers.get('accept-ranges')).toBe('bytes')
      const part = await fetch(downloads[format], { headers: { range: 'bytes=10-19' } })
      expect([part.status, await part.bytes()]).toEqual([206, bytes.slice(10, 20)])
      const known = await fetch(downloads[format], {
        headers: { 'if-none-match': head.headers.get('etag') ?? '' },
      })
      expect(known.status).toBe(304)
    },
  )

  test('behind a proxy their URLs begin as the proxy says, but only when it is trusted', async () => {
    const query = JSON.stringify({ query: '{ datasets(first: 1) { edges { node { downloads { csv } } } } }' })
    const ask = async (url: string) => {
      const headers = {
        'content-type': 'application/json',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'features.example:8443',
      }
      const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: query })
      return (await response.json()).data.datasets.edges[0].node.downloads.csv as string
    }
    expect(await ask(server.url)).toMatch(new RegExp(`^${server.url}/datasets/`))
    const trusting = await gateway.serve({ config: { ...gateway.config, trustProxy: true } })
    expect(await ask(trusting.url)).toMatch(/^https:\/\/features\.example:8443\/datasets\//)
    await trusting.close()
  })
})

test.each([
  [undefined, 10, null],
  ['bytes=0-0', 10, { start: 0, end: 0 }],
  ['bytes=-20', 10, { start: 0, end: 9 }],
  ['bytes=-0', 10, 'unsatisfiable'],
  ['bytes=10-', 10, 'unsatisfiable'],
  ['bytes=0-', 0, 'unsatisfiable'],
  ['bytes=a-b', 10, null],
] as const)('the range %s of %i bytes', (header, size, expected) => {
  expect(parseByteRange(header, size)).toEqual(expected)
})

describe('documentation and health', () => {
  test('OpenAPI names the routes and what they answer', async () => {
    const { status, body } = await server.rest('GET', '/openapi.json')
    expect(status).toBe(200)
    const paths = body.paths as Record<string, Record<string, { responses?: object; requestBody?: object }>>
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/query/train',
        '/query/realtime',
        '/extract/train',
        '/extract/realtime',
        '/publish',
      ]),
    )
    expect(paths['/query/train']?.post?.requestBody).toBeDefined()
    expect(Object.keys(paths['/query/train']?.post?.responses ?? {})).toEqual(['200', '4XX', '5XX'])
    expect(JSON.stringify(body)).toContain('SCHEMA_MISMATCH')
  })

  test('OpenAPI reads like one that a person wrote: names, references, examples, and each answer described', async () => {
    const { body } = await server.rest('GET', '/openapi.json')
    const document = body as unknown as {
      servers: unknown
      paths: Record<string, Record<string, { operationId: string; responses: Record<string, Described> }>>
      components: { schemas: Record<string, unknown> }
    }
    interface Described {
      description: string
      content?: Record<string, { schema: unknown }>
    }
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
    const names = operations.map(({ operationId }) => operationId)
    expect([...new Set(names)]).toEqual(names)
    expect(names).toEqual(expect.arrayContaining(['queryTrain', 'queryRealtimeMany', 'downloadDataset']))
    const text = JSON.stringify(document)
    expect(text).not.toContain('Default Response')
    expect(document.servers).toMatchObject([{ url: '/' }])
    for (const [, name = ''] of text.matchAll(/#\/components\/schemas\/([^"]+)"/g))
      expect(document.components.schemas, name).toHaveProperty([name])
    expect(Object.keys(document.components.schemas).filter((name) => !text.includes(`/${name}"`))).toEqual([])
    expect(Object.keys(document.components.schemas).filter((name) => name.endsWith('Input'))).toEqual([])
    expect(document.components.schemas).toMatchObject({
      QueryTraining: { properties: { query: { examples: [expect.any(String)] } } },
    })
    const metrics = await fetch(`${server.url}/metrics`)
    const documented = document.paths['/metrics']?.get?.responses['200']?.content ?? {}
    expect(Object.keys(documented)).toEqual([metrics.headers.get('content-type')?.split(';')[0]])
  })

  test.each([
    ['DELETE', '/publish', 'PUT'],
    ['GET', '/query/realtime/many', 'POST'],
    ['PUT', '/datasets/dst_0.csv', 'HEAD, GET, DELETE'],
  ])('%s %s is 405 and says which methods there are', async (method, path, allow) => {
    const response = await fetch(`${server.url}${path}`, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')?.split(', ').sort()).toEqual(allow.split(', ').sort())
    expect(await response.json()).toMatchObject({ reason: expect.stringContaining(path) })
  })

  test('PUT /publish answers 202 with its job when wait_ms are over before it ends', async () => {
    const { status, body } = await server.rest('PUT', '/publish?n_flows=500&wait_ms=0')
    expect([status, body]).toEqual([
      202,
      { msg: expect.stringContaining('publishProgress'), job_id: expect.stringMatching(/^job_/) },
    ])
    const job = await gateway.services.publishing.wait(String(body.job_id))
    expect(job.status).toBe('SUCCEEDED')
  })

  test('readiness names each dependency with its state and how long it took to answer', async () => {
    const took = expect.any(Number)
    expect(await server.rest('GET', '/readyz')).toEqual({
      status: 200,
      body: {
        status: 'ok',
        dependencies: { catalog: 'up', warehouse: 'up', online: 'up' },
        latencyMs: { catalog: took, warehouse: took, online: took },
      },
    })
  })

  test('health asks nothing of the dependencies: a process that serves is alive', async () => {
    let asked = 0
    const never = {
      ping() {
        asked++
        return new Promise<never>(() => {})
      },
    }
    const broken = await gateway.serve({ services: { ...gateway.services, online: never, warehouse: never } })
    expect(await broken.rest('GET', '/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } })
    expect(asked).toBe(0)
    await broken.close()
  })

  test('a dependency that hangs is not pinged again while it does, and costs two seconds', async () => {
    let pings = 0
    const hanging = () => {
      pings++
      return new Promise<void>(() => {})
    }
    const broken = await gateway.serve({ services: { ...gateway.services, online: { ping: hanging } } })
    const [first, second] = await Promise.all([1, 2].map(() => broken.rest('GET', '/readyz')))
    for (const answer of [first, second]) {
      expect(answer).toMatchObject({ status: 503, body: { dependencies: { online: 'down' } } })
      const latencyMs = answer?.body.latencyMs as { online: number } | undefined
      expect(latencyMs?.online).toBeGreaterThanOrEqual(1990)
    }
    expect(pings).toBe(1)
    await broken.close()
  })

  test('a dependency that is down or does not answer makes it unready, not unhealthy', async () => {
    for (const ping of [() => Promise.reject(new Error('gone')), () => new Promise<void>(() => {})]) {
      const broken = await gateway.serve({ services: { ...gateway.services, online: { ping } } })
      const ready = await broken.rest('GET', '/readyz')
      expect(ready.status).toBe(503)
      expect(ready.body).toMatchObject({
        status: 'unavailable',
        dependencies: { online: 'down', catalog: 'up' },
      })
      expect((await broken.rest('GET', '/healthz')).status).toBe(200)
      await broken.close()
    }
  })
})
