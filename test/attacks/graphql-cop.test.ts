// The checks of graphql-cop, a public audit, against a gateway in production settings: none may find anything.
// They are written anew from its documentation: the Python registry's package of that name is an empty placeholder.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway } from '../http/gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
/** As a newcomer starts it: the checks must be able to find something. */
let open: Awaited<ReturnType<Gateway['serve']>>

beforeAll(async () => {
  gateway = await openGateway({ INTROSPECTION: 'false', GRAPHQL_GET: 'false' })
  server = await gateway.serve()
  open = await gateway.serve({
    config: {
      ...gateway.config,
      graphql: { ...gateway.config.graphql, introspection: true, graphiql: true, get: true },
    },
  })
})

afterAll(async () => {
  await server.close()
  await open.close()
  await gateway.close()
})

interface Found {
  data?: Record<string, unknown> | null
  errors?: { message: string; extensions?: Record<string, unknown> }[]
}

async function ask(url: string, init: RequestInit = {}): Promise<{ text: string; body: Found & Found[] }> {
  const response = await fetch(url, init)
  const text = await response.text()
  const body = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : {}
  return { text, body }
}

function post(url: string, body: unknown, contentType = 'application/json') {
  return ask(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

const query = async (url: string, text: string) => (await post(url, { query: text })).body
const get = (url: string, text: string) => ask(`${url}/graphql?query=${encodeURIComponent(text)}`)

/** Each finds something when it answers true. */
const checks: [name: string, finds: (url: string) => Promise<boolean>, foundWhenOpen: boolean][] = [
  [
    'alias overloading: 101 aliases',
    async (url) => {
      const aliases = Array.from({ length: 101 }, (_, i) => `alias${i}: __typename`)
      return (await query(url, `query cop { ${aliases.join(' ')} }`)).data?.alias100 !== undefined
    },
    false,
  ],
  [
    'array-based batching: ten queries and more in a request',
    async (url) => {
      const { body } = await post(
        url,
        Array.from({ length: 11 }, () => ({ query: 'query cop { __typename }' })),
      )
      return Array.isArray(body) && body.length >= 10
    },
    false,
  ],
  [
    'a fragment that is spread in a circle',
    async (url) => {
      const { errors } = await query(
        url,
        'query { __schema { ...A } } fragment A on __Schema { __typename ...B } fragment B on __Schema { ...A }',
      )
      return errors === undefined
    },
    false,
  ],
  [
    'circular introspection',
    async (url) => {
      const { data } = await query(
        url,
        'query cop { __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }',
      )
      return data?.__schema !== undefined
    },
    false,
  ],
  [
    'directive overloading: ten directives on a field, an error for each',
    async (url) => (await query(url, `query cop { __typename ${'@aa'.repeat(10)} }`)).errors?.length === 10,
    false,
  ],
  [
    'field duplication: a field five hundred times',
    async (url) =>
      (await query(url, `query cop { ${'__typename \n'.repeat(500)} }`)).data?.__typename !== undefined,
    false,
  ],
  [
    'field suggestions',
    async (url) =>
      JSON.stringify(await query(url, 'query cop { __schema { directive } savedQuerie }')).includes(
        'Did you mean',
      ),
    true,
  ],
  [
    'introspection',
    async (url) =>
      (await query(url, 'query cop { __schema { types { name fields { name } } } }')).data?.__schema !==
      undefined,
    true,
  ],
  [
    'an IDE',
    async (url) => {
      const pages = await Promise.all(
        ['/graphiql', '/playground', '/console', '/graphql'].map((path) =>
          ask(url + path, { headers: { accept: 'text/html' } }),
        ),
      )
      return pages.some(({ text }) =>
        /graphiql\.min\.css|GraphQL Playground|GraphiQL|graphql-playground/.test(text),
      )
    },
    true,
  ],
  [
    'queries by GET',
    async (url) => (await get(url, 'query cop { __typename }')).body.data?.__typename !== undefined,
    true,
  ],
  [
    'mutations by GET',
    async (url) => (await get(url, 'mutation cop { __typename }')).body.data?.__typename !== undefined,
    false,
  ],
  [
    'queries by a form’s POST',
    async (url) => {
      const text = encodeURIComponent('query cop { __typename }')
      const inBody = await post(url, `query=${text}`, 'application/x-www-form-urlencoded')
      const inUrl = await ask(`${url}/graphql?query=${text}`, { method: 'POST' })
      return [inBody, inUrl].some(({ body }) => body.data?.__typename !== undefined)
    },
    false,
  ],
  [
    'traces of the server’s inside',
    async (url) => {
      const { text } = await post(url, { query: 'query cop { __typename' })
      return /tracing|"exception"|stacktrace|node_modules|\.ts:\d+/i.test(text)
    },
    false,
  ],
  [
    'errors that nobody handles',
    async (url) => {
      const { errors } = await query(url, 'qwerty cop { abc }')
      return errors === undefined || errors[0]?.extensions?.exception !== undefined
    },
    false,
  ],
]

test.each(checks)('%s', async (_name, finds, foundWhenOpen) => {
  expect(await finds(server.url)).toBe(false)
  expect(await finds(open.url)).toBe(foundWhenOpen)
})

test('what is turned off says so, and what is left works', async () => {
  expect((await query(server.url, '{ __schema { types { name } } }')).errors?.[0]?.message).toMatch(
    /introspection/i,
  )
  expect((await get(server.url, '{ __typename }')).body.errors?.[0]?.message).toContain('GRAPHQL_GET')
  expect(await query(server.url, '{ __typename }')).toEqual({ data: { __typename: 'Query' } })
})

test('a variable that does not fit suggests nothing either', async () => {
  const ask =
    'mutation ($refresh: RefreshPolicy!) { createFeatureView(queryId: "qry_0", name: "a", indexKey: "a", refresh: $refresh) { id } }'
  const suggested = (url: string) => post(url, { query: ask, variables: { refresh: 'MANUEL' } })
  expect((await suggested(open.url)).text).toContain('Did you mean')
  const { text } = await suggested(server.url)
  expect(text).toContain('MANUEL')
  expect(text).not.toContain('Did you mean')
})
