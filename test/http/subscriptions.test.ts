// Subscriptions by real clients, over WebSocket and SSE: close codes, bad documents, clients that walk away.

import { once } from 'node:events'
import { createClient as createSseClient } from 'graphql-sse'
import { type Client, type ClientOptions, createClient } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Authentication, Credentials } from '../../src/access/authentication.ts'
import { everyone, type Identity } from '../../src/access/identity.ts'
import { httpLimits } from '../../src/http/server/limits.ts'
import type { HttpServerOptions } from '../../src/http/server/server.ts'
import { type Gateway, openGateway } from './gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let sources: ReturnType<typeof watchSources>
const clients: Client[] = []

beforeAll(async () => {
  gateway = await openGateway()
  sources = watchSources(gateway)
  server = await serve()
})

afterEach(() => {
  for (const client of clients.splice(0)) client.dispose()
})

afterAll(async () => {
  await server.close()
  await gateway.close()
})

const serve = (options: Partial<HttpServerOptions> = {}) =>
  gateway.serve({ services: sources.services, ...options })

/** The real services; each subscription's source says when it has begun and when it was returned. */
function watchSources({ services }: Gateway) {
  const begun = new Map<string, PromiseWithResolvers<void>>()
  const returned = new Map<string, PromiseWithResolvers<void>>()
  const of = (map: Map<string, PromiseWithResolvers<void>>, value: string) => {
    const known = map.get(value) ?? Promise.withResolvers<void>()
    map.set(value, known)
    return known
  }
  const updates: typeof services.realtime.updates = (target, value, caller) => {
    const source = services.realtime.updates(target, value, caller)[Symbol.asyncIterator]()
    return {
      [Symbol.asyncIterator]: () => ({
        async next() {
          const step = await source.next()
          of(begun, value).resolve()
          return step
        },
        async return() {
          of(returned, value).resolve()
          return (await source.return?.()) ?? { done: true, value: undefined }
        },
      }),
    }
  }
  return {
    services: { ...services, realtime: { ...services.realtime, updates } },
    begun: (value: string) => of(begun, value).promise,
    returned: (value: string) => of(returned, value).promise,
  }
}

/** The services, where callers are asked who they are. */
function guardedBy(authentication: Authentication) {
  return { ...sources.services, access: { ...sources.services.access, isRequired: true, authentication } }
}

function connect(options: Partial<ClientOptions> = {}, { url } = server): Client {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    onNonLazyError: () => {},
    ...options,
  })
  clients.push(client)
  return client
}

/** The code that a socket is closed with. */
function closeCode(client: Client): Promise<number> {
  return new Promise((resolve) => client.on('closed', (event) => resolve((event as { code: number }).code)))
}

/** A WebSocket for the client that sends what a correct client never would, after one of its own messages. */
function misbehaving(after: string, ...messages: unknown[]) {
  return class extends WebSocket {
    override send(data: string) {
      super.send(data)
      if (JSON.parse(data).type !== after) return
      for (const message of messages)
        super.send(typeof message === 'string' ? message : JSON.stringify(message))
    }
  }
}

const subscribeTo = (id: string) => ({
  id,
  type: 'subscribe',
  payload: { query: 'subscription { publishProgress(jobId: "job_0") { done } }' },
})

async function savedQuery(sql: string): Promise<string> {
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "followed") { query { id } } }',
    { sql },
  )
  return queryTrain.query.id
}

const followValue =
  'subscription ($id: ID!, $value: String!) { featureUpdates(queryId: $id, indexKey: "n", indexValue: $value) { rows } }'

describe('close codes of WebSockets', () => {
  test('4400 for a message that is none', async () => {
    const client = connect({
      lazy: false,
      webSocketImpl: misbehaving('connection_init', '{"type":"nonsense"}'),
    })
    expect(await closeCode(client)).toBe(4400)
  })

  test('4401 for a subscription before the acknowledgement', async () => {
    const answer = Promise.withResolvers<Identity | null>()
    const slow = await serve({
      services: guardedBy({ recall: () => null, identify: () => answer.promise }),
    })
    const client = connect(
      { lazy: false, webSocketImpl: misbehaving('connection_init', subscribeTo('1')) },
      slow,
    )
    expect(await closeCode(client)).toBe(4401)
    answer.resolve(everyone)
    await slow.close()
  })

  test('4403 for a client that may not connect', async () => {
    const identify = async ({ authorization }: Credentials) => (authorization === 'right' ? everyone : null)
    const guarded = await serve({ services: guardedBy({ recall: () => null, identify }) })
    const stranger = connect({ lazy: false, connectionParams: { authorization: 'wrong' } }, guarded)
    expect(await closeCode(stranger)).toBe(4403)
    const client = connect({ connectionParams: { authorization: 'right' } }, guarded)
    expect((await client.iterate({ query: '{ __typename }' }).next()).value).toEqual({
      data: { __typename: 'Query' },
    })
    await guarded.close()
  })

  test('4408 for a client that does not introduce itself in time', async () => {
    const impatient = await serve({ limits: { ...httpLimits, connectionInitMs: 100 } })
    const socket = new WebSocket(`${impatient.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    const [code] = await once(socket, 'close')
    expect(code).toBe(4408)
    await impatient.close()
  })

  test('4409 for an operation under an id that is in use', async () => {
    const client = connect({
      lazy: false,
      webSocketImpl: misbehaving('subscribe', subscribeTo('twice')),
      generateID: () => 'twice',
    })
    const closed = closeCode(client)
    client.subscribe({ query: '{ __typename }' }, { next() {}, error() {}, complete() {} })
    expect(await closed).toBe(4409)
  })

  test('4429 for a second introduction', async () => {
    const client = connect({
      lazy: false,
      webSocketImpl: misbehaving('connection_init', { type: 'connection_init' }),
    })
    expect(await closeCode(client)).toBe(4429)
  })

  test('a page of another site cannot open a socket', async () => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
      origin: 'https://elsewhere.example',
    })
    const [error] = await once(socket, 'error')
    expect(String(error)).toContain('403')
  })

  test('another path takes no socket', async () => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/elsewhere`)
    const [error] = await once(socket, 'error')
    expect(String(error)).toContain('404')
  })
})

describe('one WebSocket', () => {
  test('carries queries, mutations and subscriptions at once', async () => {
    const client = connect()
    const query = await client.iterate({ query: '{ __typename }' }).next()
    expect(query.value).toEqual({ data: { __typename: 'Query' } })
    const { value } = await client
      .iterate<{ publish: { id: string } }>({ query: 'mutation { publish(nFlows: 20) { id } }' })
      .next()
    const events: { status: string; done: number }[] = []
    for await (const { data } of client.iterate<{ publishProgress: { status: string; done: number } }>({
      query: 'subscription ($id: ID!) { publishProgress(jobId: $id) { status done } }',
      variables: { id: value.data.publish.id },
    })) {
      if (data) events.push(data.publishProgress)
    }
    expect(events.at(-1)).toEqual({ status: 'SUCCEEDED', done: 20 })
  })

  test('goes on after a document with a syntax error and one that is not valid', async () => {
    const id = await savedQuery("SELECT 'all' AS n, count(*) AS quotes FROM feature_store.quotes")
    const client = connect()
    const following = client.iterate<{ featureUpdates: { rows: { quotes: number }[] } }>({
      query: followValue,
      variables: { id, value: 'all' },
    })
    const before = (await following.next()).value.data.featureUpdates.rows[0].quotes

    for (const query of ['{ nonsense', '{ nonsense }', 'query A { __typename } query B { __typename }']) {
      const answer = client.iterate({ query }).next()
      await expect(answer).rejects.toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
    }

    const next = following.next()
    await server.data('mutation { publish(nFlows: 5) { id } }')
    expect((await next).value.data.featureUpdates.rows).toEqual([{ n: 'all', quotes: before + 5 }])
    await following.return?.()
  })

  test('tells a subscription that cannot begin why, with its code', async () => {
    const result = await connect()
      .iterate({ query: subscribeTo('1').payload.query })
      .next()
    expect(result.value).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] })
  })

  test('tells a subscription whose source fails why, with its code', async () => {
    const variables = { id: 'qry_0', value: '1' }
    const steps: unknown[] = []
    for await (const step of connect().iterate({ query: followValue, variables })) steps.push(step)
    expect(steps).toMatchObject([{ errors: [{ extensions: { code: 'NOT_FOUND' } }] }])
  })

  test('follows a dataset with its query, columns and rows to its end', async () => {
    const { queryTrain } = await server.data<{ queryTrain: { dataset: { id: string } } }>(
      'mutation { queryTrain(query: "SELECT i AS n FROM range(3) r(i)", queryName: "short", waitMs: 0) { dataset { id } } }',
    )
    const query = `subscription { datasetProgress(id: "${queryTrain.dataset.id}") {
      id status query { name } etl { id } columns { name type } rows(limit: 2) rowCount downloads { csv }
    } }`
    let last: unknown
    for await (const { data } of connect().iterate<{ datasetProgress: unknown }>({ query })) {
      last = data?.datasetProgress
    }
    expect(last).toEqual({
      id: queryTrain.dataset.id,
      status: 'SUCCEEDED',
      query: { name: 'short' },
      etl: null,
      columns: [{ name: 'n', type: 'INT64' }],
      rows: [{ n: 0 }, { n: 1 }],
      rowCount: 3,
      downloads: { csv: `${server.url}/datasets/${queryTrain.dataset.id}.csv` },
    })
  })

  test('keeps integers beyond 2^53 of its variables whole', async () => {
    const id = await savedQuery('SELECT 9007199254740993::BIGINT AS n')
    const client = connect()
    const { value } = await client
      .iterate({
        query:
          'query ($id: ID!) { queryRealtime(queryId: $id, indexKey: "n", indexValue: "9007199254740993") { rows } }',
        variables: { id },
      })
      .next()
    expect(value).toEqual({ data: { queryRealtime: { rows: [{ n: '9007199254740993' }] } } })
  })
})

describe('SSE', () => {
  test('follows a publish job to its end with the real client, in distinct connections mode', async () => {
    const { publish } = await server.data<{ publish: { id: string } }>(
      'mutation { publish(nFlows: 20) { id } }',
    )
    const client = createSseClient({ url: `${server.url}/graphql`, singleConnection: false })
    const states: string[] = []
    for await (const { data } of client.iterate<{ publishProgress: { status: string } }>({
      query: 'subscription ($id: ID!) { publishProgress(jobId: $id) { status } }',
      variables: { id: publish.id },
    })) {
      if (data) states.push(data.publishProgress.status)
    }
    client.dispose()
    expect(states.at(-1)).toBe('SUCCEEDED')
  })

  test('answers a query too', async () => {
    const client = createSseClient({ url: `${server.url}/graphql`, singleConnection: false })
    const { value } = await client.iterate({ query: '{ __typename }' }).next()
    client.dispose()
    expect(value).toEqual({ data: { __typename: 'Query' } })
  })

  test('says why a subscription cannot begin', async () => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(subscribeTo('1').payload),
    })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    expect(await response.text()).toContain('"code":"NOT_FOUND"')
  })
})

describe('a client that walks away', () => {
  test('without a word ends its WebSocket subscription at once', async () => {
    const id = await savedQuery('SELECT i AS n FROM range(10) r(i)')
    const client = connect()
    client.subscribe(
      { query: followValue, variables: { id, value: '1' } },
      { next() {}, error() {}, complete() {} },
    )
    await sources.begun('1')
    client.terminate()
    await sources.returned('1')
  })

  test('in good order ends its WebSocket subscription at once', async () => {
    const id = await savedQuery('SELECT i AS n FROM range(10) r(i)')
    const following = connect().iterate({ query: followValue, variables: { id, value: '2' } })
    await following.next()
    await following.return?.()
    await sources.returned('2')
  })

  test('ends its SSE subscription at once', async () => {
    const id = await savedQuery('SELECT i AS n FROM range(10) r(i)')
    const controller = new AbortController()
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query: followValue, variables: { id, value: '4' } }),
      signal: controller.signal,
    })
    const reader = response.body?.getReader()
    await reader?.read()
    await sources.begun('4')
    controller.abort()
    await sources.returned('4')
  })
})
