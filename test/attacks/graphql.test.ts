// Documents and requests made to hurt: each is refused with a code within a moment, and the next request is answered.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { documentLimits } from '../../src/http/graphql/document-limits.ts'
import { heldMemory } from '../held-memory.ts'
import { type Gateway, openGateway } from '../http/gateway.ts'

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

afterEach(async () => {
  expect(await server.graphql('{ __typename }')).toEqual({ data: { __typename: 'Query' } })
})

const times = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i)).join(' ')

async function send(body: string) {
  const before = process.cpuUsage()
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  const text = await response.text()
  const { user } = process.cpuUsage(before)
  const answer = JSON.parse(text) as { errors?: { message: string; extensions: { code: string } }[] }
  return { status: response.status, text, answer, cpuMs: user / 1000 }
}

const lookup = 'queryRealtime(queryId: "qry_0", indexKey: "a", indexValue: "1") { rows }'
const many = '$many: [String!]!'

describe('documents', () => {
  test.each<[name: string, document: string, code: string]>([
    ['nested 40 deep', `{ ${'a { '.repeat(40)} a ${'}'.repeat(40)} }`, 'TOO_LARGE'],
    ['nested beyond the parser’s stack', `{ ${'a{'.repeat(9_000)}`, 'TOO_LARGE'],
    ['nested a hundred thousand deep', `{ ${'a{'.repeat(100_000)}`, 'TOO_LARGE'],
    ['with nested list values', `{ node(id: ${'['.repeat(5_000)}${']'.repeat(5_000)}) { id } }`, 'TOO_LARGE'],
    ['with nested object values', `{ node(id: ${'{a:'.repeat(50)}1${'}'.repeat(50)}) { id } }`, 'TOO_LARGE'],
    ...[33, 1_000, 9_000].map((depth): [string, string, string] => [
      `with ${depth} nested list types`,
      `query ($a: ${'['.repeat(depth)}Int${']'.repeat(depth)}) { __typename }`,
      'TOO_LARGE',
    ]),
    ['with a flood of aliases', `{ ${times(1_000, (i) => `a${i}: ${lookup}`)} }`, 'TOO_LARGE'],
    ['with one alias too many', `{ ${times(101, (i) => `a${i}: __typename`)} }`, 'TOO_LARGE'],
    ['with a flood of one field', `{ ${'__typename '.repeat(9_000)} }`, 'TOO_LARGE'],
    ['with a flood of fields that do not exist', `{ ${times(9_000, (i) => `f${i}`)} }`, 'BAD_USER_INPUT'],
    [
      'with a flood of directives in one place',
      `{ __typename ${'@skip(if: false) '.repeat(1_000)} }`,
      'TOO_LARGE',
    ],
    ['with directives that do not exist', `{ __typename ${'@a '.repeat(5_000)} }`, 'TOO_LARGE'],
    [
      'with a flood of directives in many places',
      `{ ${times(101, (i) => `a${i % 90} @skip(if: false)`)} }`,
      'TOO_LARGE',
    ],
    ['with a million tokens', `{ ${'a '.repeat(1_000_000 / 2)} }`, 'TOO_LARGE'],
    ['of two megabytes of comment', `{ __typename } #${'x'.repeat(2 * 1024 * 1024)}`, 'TOO_LARGE'],
    ['with a flood of inline fragments', `{ ${'...{__typename} '.repeat(1_000)} }`, 'TOO_LARGE'],
    [
      'with a flood of fragments, each of another',
      `{ ...F0 } ${times(1_000, (i) => `fragment F${i} on Query { ...F${i + 1} }`)} fragment F1000 on Query { __typename }`,
      'TOO_LARGE',
    ],
    [
      'that double at every fragment',
      `{ ...F0 } ${times(40, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F40 on Query { savedQueries { totalCount } }`,
      'TOO_LARGE',
    ],
    [
      'that double at every level of fields',
      `{ dataset(id: "dst_0") { query { ...F0 } } } ${times(
        12,
        (i) =>
          `fragment F${i} on SavedQuery { a: featureViews { query { ...F${i + 1} } } b: featureViews { query { ...F${i + 1} } } }`,
      )} fragment F12 on SavedQuery { id }`,
      'TOO_LARGE',
    ],
    [
      'with a circle of fragments',
      '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }',
      'BAD_USER_INPUT',
    ],
    [
      'with a fragment in itself',
      '{ ...A } fragment A on Query { node(id: "qry_0") { ...A } ...A }',
      'BAD_USER_INPUT',
    ],
    [
      'with introspection in a circle',
      `{ __schema { types { ${'fields { type { '.repeat(8)} name ${'} } '.repeat(8)} } } }`,
      'BAD_USER_INPUT',
    ],
    [
      'with a flood of variables',
      `query (${times(3_000, (i) => `$v${i}: Int`)}) { __typename }`,
      'BAD_USER_INPUT',
    ],
    ['with a flood of operations', times(3_000, (i) => `query q${i} { __typename }`), 'BAD_USER_INPUT'],
    [
      'with a number of ten thousand digits',
      `{ savedQueries(first: 1${'0'.repeat(10_000)}) { totalCount } }`,
      'BAD_USER_INPUT',
    ],
    ['of control characters', '{ \u0000\u0007 }', 'BAD_USER_INPUT'],
    ['of half a character', '{ \ud800 }', 'BAD_USER_INPUT'],
  ])('%s', async (_name, query, code) => {
    const { answer, cpuMs, text } = await send(JSON.stringify({ query }))
    expect(answer.errors?.[0]?.extensions.code).toBe(code)
    // A refusal costs neither long work nor a long answer.
    expect(cpuMs).toBeLessThan(2_500)
    expect(text.length).toBeLessThan(100_000)
  })

  test('as large as they may be are judged within a moment', async () => {
    const field = 'savedQueries(first: 1) { edges { node { id name version } } }'
    const fragments = times(
      190,
      (i) => `fragment F${i} on Query { ${field} __typename savedQueries(first: 1) { totalCount } }`,
    )
    const { cpuMs } = await send(
      JSON.stringify({ query: `{ ${times(190, (i) => `...F${i}`)} } ${fragments}` }),
    )
    expect(cpuMs).toBeLessThan(2_500)
    const wide = `{ ${times(documentLimits.fragments, () => `... { ${times(40, (i) => `f${i}`)} }`)} }`
    expect((await send(JSON.stringify({ query: wide }))).cpuMs).toBeLessThan(2_500)
  })

  test('that were refused are not kept, nor are large ones', async () => {
    const before = heldMemory()
    for (let i = 0; i < 60; i++) {
      await send(JSON.stringify({ query: `{ f${i} } #${'x'.repeat(500_000)}` }))
      await send(JSON.stringify({ query: `{ f${i} #${'x'.repeat(500_000)}` }))
    }
    // 60 MB were sent.
    expect(heldMemory() - before).toBeLessThan(30e6)
  })
})

describe('requests', () => {
  test.each<[name: string, body: string, code: string]>([
    ['a batch', JSON.stringify(Array(50).fill({ query: '{ __typename }' })), 'BAD_USER_INPUT'],
    ['an empty batch', '[]', 'BAD_USER_INPUT'],
    ['null', 'null', 'BAD_USER_INPUT'],
    ['text', '"{ __typename }"', 'BAD_USER_INPUT'],
    ['a query that is no text', '{"query": {"a": 1}}', 'BAD_USER_INPUT'],
    ['variables that are a list', '{"query": "{ __typename }", "variables": []}', 'BAD_USER_INPUT'],
    [
      'variables nested a million deep',
      `{"query": "query ($a: String!) { node(id: $a) { id } }", "variables": {"a": ${'['.repeat(1e6)}${']'.repeat(1e6)}}}`,
      'TOO_LARGE',
    ],
    [
      'variables nested deep, with a long number',
      `{"query": "query ($a: JSON) { __typename }", "variables": {"n": 12345678901234567890, "a": ${'['.repeat(1e5)}${']'.repeat(1e5)}}}`,
      'TOO_LARGE',
    ],
    [
      'a variable that names a prototype',
      '{"query": "query ($a: String!) { node(id: $a) { id } }", "variables": {"__proto__": {"a": "qry_0"}}}',
      'BAD_USER_INPUT',
    ],
    ['a parameter that is none', '{"query": "{ __typename }", "constructor": 1}', 'BAD_USER_INPUT'],
    [
      'an operation that is not there',
      '{"query": "query a { __typename }", "operationName": "__proto__"}',
      'BAD_USER_INPUT',
    ],
    [
      'a million index values',
      JSON.stringify({
        query: `query (${many}) { queryRealtimeMany(queryId: "qry_0", indexKey: "a", indexValues: $many) { rows } }`,
        variables: { many: Array(1_000_000).fill('1') },
      }),
      'TOO_LARGE',
    ],
    [
      'a list of lists where one is asked for',
      JSON.stringify({
        query: `query (${many}) { queryRealtimeMany(queryId: "qry_0", indexKey: "a", indexValues: $many) { rows } }`,
        variables: { many: Array(100_000).fill([[['1']]]) },
      }),
      'TOO_LARGE',
    ],
  ])('%s', async (_name, body, code) => {
    const { answer, text } = await send(body)
    expect(answer.errors?.[0]?.extensions.code).toBe(code)
    expect(text.length).toBeLessThan(100_000)
  })

  test('many lists in one operation count together', async () => {
    const query = `query (${many}) { ${times(
      60,
      (i) =>
        `a${i}: queryRealtimeMany(queryId: "qry_0", indexKey: "a", indexValues: $many) { rows status source asOf indexKey indexValue }`,
    )} }`
    const { answer } = await send(JSON.stringify({ query, variables: { many: Array(10_000).fill('1') } }))
    expect(answer.errors?.[0]?.extensions.code).toBe('TOO_LARGE')
  })
})
