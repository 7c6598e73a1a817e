// What tools read of the schema as it is now: GET /schema.graphql, introspection, and the documents that are trusted.

import { buildClientSchema, buildSchema, getIntrospectionQuery, type IntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTrusting, type TrustingGateway } from './trusting.ts'

const documents = {
  one: 'query One($n: BigInt!) { features { ...Both } } fragment Both on Features { asked(n: $n) { v } }',
  many: 'query Many($keys: [AskedKey!]!) { features { askedMany(keys: $keys) { status } } }',
  followed: 'subscription { asked(n: 1) { status } }',
  other: '{ features { other(n: 1) { asked } } }',
  outdated: '{ features { asked(n: 1) { gone } } }',
  broken: '{ features { asked',
}

let gateway: TrustingGateway
let server: TrustingGateway['server']
let createView: TrustingGateway['createView']

beforeAll(async () => {
  gateway = await openTrusting(documents)
  ;({ server, createView } = gateway)
})

afterAll(() => gateway?.close())

const introspect = () => server.data<IntrospectionQuery>(getIntrospectionQuery())

test('the file is the schema of the code where there are no views, and follows those that come', async () => {
  const first = await fetch(`${server.url}/schema.graphql`)
  expect(first.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  const etag = first.headers.get('etag') ?? ''
  const text = await first.text()
  expect(buildSchema(text).getType('Features')).toBeUndefined()
  const again = () => fetch(`${server.url}/schema.graphql`, { headers: { 'if-none-match': etag } })
  expect((await again()).status).toBe(304)
  const id = await createView('numbers', 'SELECT 1 AS n, 2 AS v')
  const changed = await again()
  expect(changed.status).toBe(200)
  const schema = buildSchema(await changed.text())
  expect(String(schema.getQueryType()?.getFields().features)).toBe('Query.features')
  expect(schema.getType('Numbers')).toBeDefined()
  await server.data('mutation ($id: ID!) { deleteFeatureView(id: $id) }', { id })
  expect((await again()).status).toBe(304)
})

test('with a tag it has the views with that tag alone', async () => {
  const id = await createView('tagged', 'SELECT 1 AS n, 2 AS v')
  await createView('untagged', 'SELECT 1 AS n, 3 AS v')
  await gateway.services.catalog.prisma.featureView.update({ where: { id }, data: { tags: ['fraud'] } })
  await gateway.services.typed.refreshed()
  const read = async (tag: string) =>
    buildSchema(await (await fetch(`${server.url}/schema.graphql?tag=${tag}`)).text())
  expect(Object.keys((await read('fraud')).getSubscriptionType()?.getFields() ?? {})).toEqual(
    expect.arrayContaining(['tagged', 'featureUpdates']),
  )
  expect((await read('fraud')).getType('Untagged')).toBeUndefined()
  expect((await read('no-such')).getType('Features')).toBeUndefined()
  expect(await server.data('{ features { untagged(n: 1) { v } } }')).toEqual({
    features: { untagged: [{ v: 3 }] },
  })
})

test('introspection is of the schema in force, each time the same as before', async () => {
  const first = await introspect()
  expect(await introspect()).toEqual(first)
  await createView('introspected', 'SELECT 1 AS n, 2 AS v, 3 AS w')
  const [now, again] = [await introspect(), await introspect()]
  expect(buildClientSchema(now).getType('Introspected')).toBeDefined()
  expect(again).toEqual(now)
  const named = (name: string) =>
    server.data(
      `query ($d: Boolean!) { __type(name: "${name}") { name fields(includeDeprecated: $d) { name } } }`,
      { d: true },
    )
  for (let i = 0; i < 2; i++) {
    expect(await named('Introspected')).toEqual({
      __type: { name: 'Introspected', fields: [{ name: 'n' }, { name: 'v' }, { name: 'w' }] },
    })
    expect(await named('Nobody')).toEqual({ __type: null })
  }
})

test('introspection in slices gives what it gives as a whole', async () => {
  await createView('sliced', "SELECT 1 AS n, {'a': [1]} AS v")
  const documents = [
    getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      oneOf: true,
    }),
    'query ($d: Boolean = true) { it: __schema { all: types { name fields(includeDeprecated: $d) { name } ...K } queryType { name } } } fragment K on __Type { kind enumValues { name } }',
    '{ __schema { types { name } } }',
    '{ __schema { description types { __typename name } directives { name } types { kind } } }',
    '{ __schema { ... on __Schema { types { name } } } t: __type(name: "Sliced") { name } }',
  ]
  for (const sliced of documents) {
    const whole = sliced.replace('__schema {', '__schema @include(if: true) {')
    const [found, expected] = [await server.graphql(sliced), await server.graphql(whole)]
    expect(JSON.stringify(found)).toBe(JSON.stringify(expected))
    expect(JSON.stringify(found)).toContain('Sliced')
  }
})

test('a view that trusted documents ask for is removed by force alone, and the refusal names them', async () => {
  const asked = await createView('asked', 'SELECT 1 AS n, 2 AS v')
  const other = await createView('other', 'SELECT 1 AS n, 2 AS asked')
  const remove = (id: string, force?: boolean) =>
    server.graphql('mutation ($id: ID!, $force: Boolean) { deleteFeatureView(id: $id, force: $force) }', {
      id,
      force,
    })
  const refused = await remove(asked)
  expect(refused.errors).toEqual([
    expect.objectContaining({
      message: `The field asked of the feature view asked (${asked}) is used by the trusted document one; the trusted document many; the trusted document followed; the trusted document outdated. To delete it all the same, say force: true.`,
      extensions: {
        code: 'CONFLICT',
        details: { users: ['one', 'many', 'followed', 'outdated'].map((id) => `the trusted document ${id}`) },
      },
    }),
  ])
  expect((await remove(other)).errors?.[0]?.extensions.details).toEqual({
    users: ['the trusted document other'],
  })
  expect((await remove(asked, true)).data).toEqual({ deleteFeatureView: asked })
  const unused = await createView('unused', 'SELECT 1 AS n, 4 AS v')
  expect((await remove(unused)).data).toEqual({ deleteFeatureView: unused })
})
