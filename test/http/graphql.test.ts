// GraphQL over HTTP to the letter: the audits, codes of errors, what is masked, what is refused.

import { getIntrospectionQuery } from 'graphql'
import { serverAudits } from 'graphql-http'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { type Gateway, openGateway } from './gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>

beforeAll(async () => {
  gateway = await openGateway()
  server = await gateway.serve()
})

afterAll(async () => {
  await server.close()
  await gateway.close()
})

describe('audits of GraphQL over HTTP', () => {
  const audits = serverAudits({ url: () => `${server.url}/graphql` })

  test('all 61 are run', () => {
    expect(audits).toHaveLength(61)
  })

  test.each(audits.map((audit) => [`${audit.id} ${audit.name}`, audit] as const))(
    '%s',
    async (_name, audit) => {
      const result = await audit.fn()
      expect(result, 'reason' in result ? result.reason : '').toMatchObject({ status: 'ok' })
    },
  )
})

describe('errors', () => {
  test('a document that cannot be parsed and one that is not valid are BAD_USER_INPUT, and say where', async () => {
    for (const query of ['{ savedQueries', '{ nonsense }']) {
      const { errors } = await server.graphql(query)
      expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
      expect(errors?.[0]).toHaveProperty('locations')
    }
  })

  test.for([5_000, 100_000])(
    'a document nested %d deep is refused, though it is beyond the stack of the parser',
    async (depth) => {
      const query = `{${'a{'.repeat(depth)}a${'}'.repeat(depth)}}`
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
        body: JSON.stringify({ query }),
      })
      const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] }
      expect([response.status, errors[0]?.extensions.code]).toEqual([400, 'TOO_LARGE'])
    },
  )

  test('variables of the wrong type are BAD_USER_INPUT', async () => {
    const { errors } = await server.graphql('query ($n: Int) { savedQueries(first: $n) { totalCount } }', {
      n: 'x',
    })
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    expect(errors?.[0]?.message).toContain('$n')
  })

  test('an argument out of bounds is BAD_USER_INPUT and names its bound', async () => {
    const { errors } = await server.graphql('{ savedQueries(first: 501) { totalCount } }')
    expect(errors?.[0]).toMatchObject({ path: ['savedQueries'], extensions: { code: 'BAD_USER_INPUT' } })
    expect(errors?.[0]?.message).toMatch(/first.*500/)
  })

  test('a cursor that is none is BAD_USER_INPUT', async () => {
    const { errors } = await server.graphql(
      '{ savedQueries(after: "nonsense") { totalCount edges { cursor } } }',
    )
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  })

  test('an id of no kind is BAD_USER_INPUT and says how ids look', async () => {
    const { errors, data } = await server.graphql('{ node(id: "nonsense") { id } }')
    expect(errors?.[0]?.message).toContain('qry_')
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    expect(data).toEqual({ node: null })
  })

  test('an id that names nothing is null where it is looked up', async () => {
    expect(
      await server.data('{ node(id: "qry_0") { id } dataset(id: "dst_0") { id } etl(id: "etl_0") { id } }'),
    ).toEqual({
      node: null,
      dataset: null,
      etl: null,
    })
  })

  test('an id that names nothing is NOT_FOUND where it is worked with', async () => {
    const { errors } = await server.graphql(
      '{ queryRealtime(queryId: "qry_0", indexKey: "user_id", indexValue: "1") { rows } }',
    )
    expect(errors?.[0]).toMatchObject({ path: ['queryRealtime'], extensions: { code: 'NOT_FOUND' } })
  })

  test('SQL that fails is INVALID_SQL and says where', async () => {
    const { errors } = await server.graphql(
      'mutation { queryTrain(query: "SELECT nonsense FROM feature_store.users", queryName: "bad") { dataset { id } } }',
    )
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'INVALID_SQL', details: { line: 1 } })
  })

  test('a value that does not fit is a result that FAILED, alone as among many; a column that is not there an error', async () => {
    const { id } = (await trainOn('SELECT 1::INTEGER AS n, 2 AS m', 'numbers')).query
    const fields = 'indexKey indexValue status rows asOf eventTime error { code message }'
    const failed = {
      indexKey: 'n',
      indexValue: 'one',
      status: 'FAILED',
      rows: [],
      asOf: null,
      eventTime: null,
      error: { code: 'BAD_USER_INPUT', message: expect.stringContaining('"one"') },
    }
    const answer = await server.graphql(
      `{ many: queryRealtimeMany(queryId: "${id}", indexKey: "n", indexValues: ["1", "one"]) { ${fields} }
         one: queryRealtime(queryId: "${id}", indexKey: "n", indexValue: "one") { ${fields} } }`,
    )
    expect(answer).toEqual({
      data: { many: [expect.objectContaining({ status: 'FRESH', error: null }), failed], one: failed },
    })
    const wrong = await server.graphql(
      `{ queryRealtimeMany(queryId: "${id}", indexKey: "o", indexValues: ["1"]) { rows } }`,
    )
    expect(wrong.errors?.[0]).toMatchObject({
      path: ['queryRealtimeMany'],
      extensions: { code: 'BAD_USER_INPUT' },
    })
  })

  test('what nobody foresaw is logged and masked under the request id', async () => {
    const lines: string[] = []
    const log = pino({ level: 'error' }, { write: (line) => lines.push(line) })
    const broken = await gateway.serve({
      log,
      services: {
        ...gateway.services,
        realtime: {
          ...gateway.services.realtime,
          parity: () => Promise.reject(new Error('password=hunter2')),
        },
      },
    })
    const response = await fetch(`${broken.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ parity(featureViewId: "fv_0") { sampled } }' }),
    })
    const text = await response.text()
    await broken.close()
    const requestId = response.headers.get('x-request-id')
    expect(text).not.toContain('hunter2')
    expect(JSON.parse(text).errors[0]).toMatchObject({
      message: `Something went wrong in the gateway; request ${requestId}`,
      extensions: { code: 'INTERNAL' },
    })
    expect(lines.join()).toContain('hunter2')
    expect(lines.join()).toContain(requestId)
  })

  test('an AppError keeps its code, message and details through every wrapper', async () => {
    const cause = new AppError('CONFLICT', 'It is taken', { details: { by: 'someone' } })
    const failing = await gateway.serve({
      services: {
        ...gateway.services,
        realtime: {
          ...gateway.services.realtime,
          parity: () => Promise.reject(new Error('wrapped', { cause })),
        },
      },
    })
    const { errors } = await failing.graphql('{ parity(featureViewId: "fv_0") { sampled } }')
    await failing.close()
    expect(errors?.[0]).toMatchObject({
      message: 'It is taken',
      extensions: { code: 'CONFLICT', details: { by: 'someone' } },
    })
  })
})

describe('requests', () => {
  const post = (body: string, headers: Record<string, string>) =>
    fetch(`${server.url}/graphql`, { method: 'POST', body, headers })
  const json = { 'content-type': 'application/json' }

  test('malformed JSON is 400', async () => {
    const response = await post('{"query": ', json)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] })
  })

  test('a body beyond 32 MB is 413 in the shape of GraphQL', async () => {
    const response = await post(
      JSON.stringify({ query: `{ __typename } #${'x'.repeat(33 * 1024 * 1024)}` }),
      json,
    )
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'TOO_LARGE' } }] })
  })

  test('a body of some megabytes passes', async () => {
    const response = await post(
      JSON.stringify({ query: '{ __typename }', variables: { rows: 'x'.repeat(8 * 1024 * 1024) } }),
      json,
    )
    expect(await response.json()).toEqual({ data: { __typename: 'Query' } })
  })

  test('a form from another site is refused unless it carries the header that needs a preflight', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const refused = await post('query={__typename}', form)
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
    const passed = await post('query={__typename}', { ...form, 'graphql-require-preflight': '1' })
    expect(await passed.json()).toEqual({ data: { __typename: 'Query' } })
    expect((await post('{ __typename }', { 'content-type': 'text/plain' })).status).toBe(403)
  })

  test('a mutation by GET is 405 and changes nothing', async () => {
    const query = encodeURIComponent('mutation { publish(nFlows: 1) { id } }')
    const response = await fetch(`${server.url}/graphql?query=${query}`)
    expect(response.status).toBe(405)
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] })
    expect(await server.data('{ publishJobs { totalCount } }')).toEqual({ publishJobs: { totalCount: 0 } })
  })

  test('a lookup by GET that any page can have sent is refused, and makes nothing', async () => {
    const { query } = await trainOn('SELECT i AS n FROM range(9) r(i)', 'asked by a page')
    const asked = `queryRealtime(queryId: "${query.id}", indexKey: "n", indexValue: "1") { rows }`
    const get = (text: string, headers: Record<string, string> = {}) =>
      fetch(`${server.url}/graphql?query=${encodeURIComponent(text)}`, { headers })
    const shapes = [
      `{ ${asked} }`,
      `{ me { name } x: ${asked} }`,
      `query ($v: Boolean = true) { ... on Query @include(if: $v) { ...A } } fragment A on Query { ${asked} }`,
      `{ parity(featureViewId: "fv_0") { sampled } }`,
      `subscription { featureUpdates(queryId: "${query.id}", indexKey: "n", indexValue: "1") { rows } }`,
    ]
    for (const shape of shapes) {
      for (const headers of [{}, { accept: 'text/event-stream' }, { 'content-type': 'text/plain' }]) {
        expect(await (await get(shape, headers as Record<string, string>)).text()).toContain('"FORBIDDEN"')
      }
    }
    const views = await server.data(`{ savedQuery(id: "${query.id}") { featureViews { id } } }`)
    expect(views).toEqual({ savedQuery: { featureViews: [] } })
    expect((await get(`{ ${asked} }`)).status).toBe(403)

    expect(
      await (await get('{ savedQueries { totalCount } __schema { queryType { name } } }')).text(),
    ).toContain('"data"')
    for (const header of ['graphql-require-preflight', 'content-type']) {
      const response = await get(`{ ${asked} }`, { [header]: 'application/json' })
      expect(await response.json()).toEqual({ data: { queryRealtime: { rows: [{ n: 1 }] } } })
    }
  })

  test('an operation that asks for too much is TOO_LARGE', async () => {
    const field =
      'savedQueries(first: 500) { edges { node { featureViews { query { featureViews { query { id } } } } } } }'
    const query = `{ ${Array.from({ length: 2_000 }, (_, i) => `a${i}: ${field}`).join(' ')} }`
    const { errors } = await server.graphql(query)
    expect(errors?.[0]?.extensions.code).toBe('TOO_LARGE')
  })

  test('introspection passes every limit', async () => {
    expect((await server.graphql(getIntrospectionQuery())).errors).toBeUndefined()
  })

  test('every answer carries its request id', async () => {
    const ids = await Promise.all(
      ['/graphql?query={__typename}', '/healthz', '/nowhere'].map(async (path) =>
        (await fetch(`${server.url}${path}`)).headers.get('x-request-id'),
      ),
    )
    expect(new Set(ids).size).toBe(3)
    expect(ids).not.toContain(null)
  })
})

describe('realtime', () => {
  test('all realtime fields of an operation cost one read of the online store', async () => {
    const first = (await trainOn('SELECT i AS n, i * 2 AS twice FROM range(200) r(i)', 'twice')).query.id
    const second = (await trainOn('SELECT i AS n, i * 3 AS thrice FROM range(200) r(i)', 'thrice')).query.id
    const values = JSON.stringify(Array.from({ length: 100 }, (_, i) => String(i)))
    const query = `{
      a: queryRealtimeMany(queryId: "${first}", indexKey: "n", indexValues: ${values}) { rows source }
      b: queryRealtimeMany(queryId: "${second}", indexKey: "n", indexValues: ${values}) { rows source }
      c: queryRealtime(queryId: "${first}", indexKey: "n", indexValue: "7") { rows source }
      d: queryRealtime(queryId: "${second}", indexKey: "n", indexValue: "150") { rows source }
    }`
    await server.data(query)

    const { online } = gateway.services
    const { read } = online
    let reads = 0
    online.read = (requests) => {
      reads++
      return read.call(online, requests)
    }
    const data = await server.data<Record<string, unknown>>(query)
    online.read = read
    expect(reads).toBe(1)
    expect(data.c).toEqual({ rows: [{ n: 7, twice: 14 }], source: 'ONLINE' })
    expect(data.d).toEqual({ rows: [{ n: 150, thrice: 450 }], source: 'ONLINE' })
  })
})

async function trainOn(sql: string, name: string) {
  const { queryTrain } = await server.data<{
    queryTrain: { query: { id: string }; dataset: { id: string } }
  }>(
    'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } dataset { id status } } }',
    { sql, name },
  )
  return queryTrain
}
