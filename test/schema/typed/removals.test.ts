// `schemaChanges`: what would go from the typed schema with a view or a service, told before anything is deleted.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RemovalChange } from '../../../src/schema/changes.ts'
import { openTrusting, type TrustingGateway } from './trusting.ts'

const documents = {
  drivers: '{ features { drivers(n: 1) { v } } }',
  inForce: '{ onlineFeatures(service: "risk", entities: []) { error { code } } }',
  pinned: '{ onlineFeatures(service: "risk@1", entities: []) { error { code } } }',
  risks: 'query ($keys: [RiskKey!]!) { features { riskMany(keys: $keys) { row { v } } } }',
}

let gateway: TrustingGateway
let server: TrustingGateway['server']
let createView: TrustingGateway['createView']

beforeAll(async () => {
  gateway = await openTrusting(documents)
  ;({ server, createView } = gateway)
})

afterAll(() => gateway?.close())

async function createService(features: string): Promise<string> {
  const { createFeatureService } = await server.data<{ createFeatureService: { id: string } }>(
    `mutation { createFeatureService(name: "risk", features: ${features}) { id } }`,
  )
  return createFeatureService.id
}

const query =
  'query ($view: ID, $service: ID) { schemaChanges(removeFeatureView: $view, removeFeatureService: $service) { criticality message path usedBy } }'

async function changes(removal: { view?: string; service?: string }): Promise<RemovalChange[]> {
  return (await server.data<{ schemaChanges: RemovalChange[] }>(query, removal)).schemaChanges
}

const removeService = (id: string, force?: boolean) =>
  server.graphql('mutation ($id: ID!, $force: Boolean) { deleteFeatureService(id: $id, force: $force) }', {
    id,
    force,
  })

async function refusalOf(id: string) {
  const [error] = (await removeService(id)).errors ?? []
  return [error?.message, error?.extensions.details?.users]
}

const textOf = async () => await (await fetch(`${server.url}/schema.graphql`)).text()
const linesOf = (found: readonly RemovalChange[]) =>
  found.map(({ criticality, path }) => `${criticality} ${path}`)

test('what a view takes with it is told with who uses it, and the last one takes `features`', async () => {
  const id = await createView('drivers', 'SELECT 1 AS n, 2 AS v')
  const before = await textOf()
  const alone = await changes({ view: id })
  expect(linesOf(alone)).toEqual(expect.arrayContaining(['BREAKING Query.features', 'BREAKING Drivers']))
  const other = await createView('others', 'SELECT 1 AS n, 2 AS v')
  const found = await changes({ view: id })
  expect(linesOf(found)).toEqual([
    'BREAKING Drivers',
    'BREAKING DriversAnswer',
    'BREAKING DriversKey',
    'BREAKING Features.drivers',
    'BREAKING Features.driversMany',
    'BREAKING Subscription.drivers',
  ])
  for (const { usedBy } of found) expect(usedBy).toEqual(['the trusted document drivers'])
  for (const { usedBy } of await changes({ view: other })) expect(usedBy).toEqual([])
  await server.data('mutation ($id: ID!) { deleteFeatureView(id: $id) }', { id: other })
  expect(await textOf()).toBe(before)
})

test('of a service an earlier version takes the place; with its view it goes', async () => {
  const view = await createView('devices', 'SELECT 1 AS n, 2 AS v, 3 AS w')
  const first = await createService('[{ view: "devices", features: ["v"] }]')
  const second = await createService('[{ view: "devices" }]')
  const back = await changes({ service: second })
  expect(back.filter(({ criticality }) => criticality !== 'SAFE')).toEqual([
    {
      criticality: 'BREAKING',
      message: expect.stringContaining("'w'"),
      path: 'Risk.w',
      usedBy: ['the trusted document risks'],
    },
  ])
  expect(await changes({ service: first })).toEqual([])
  const gone = linesOf(await changes({ view }))
  expect(gone).toEqual(expect.arrayContaining(['BREAKING Features.risk', 'BREAKING Features.devices']))
  expect(await refusalOf(first)).toEqual([
    `The feature service risk, version 1 (${first}), is used by the trusted document pinned. To delete it, take the documents from their manifest (TRUSTED_DOCUMENTS_FILE) first, or say force: true.`,
    ['the trusted document pinned'],
  ])
  await removeService(first, true)
  expect(linesOf(await changes({ service: second }))).toEqual(
    expect.arrayContaining(['BREAKING Features.risk', 'BREAKING Features.riskMany', 'BREAKING Risk']),
  )
})

test('a service that trusted documents ask for is removed by force alone, and the refusal names them', async () => {
  const { featureServices } = await server.data<{
    featureServices: { edges: { node: { id: string } }[] }
  }>('{ featureServices { edges { node { id } } } }')
  const id = featureServices.edges[0]?.node.id ?? ''
  expect(await refusalOf(id)).toEqual([
    `The field risk of the feature service risk (${id}) is used by the trusted document risks. To delete it all the same, say force: true.`,
    ['the trusted document risks'],
  ])
  expect((await removeService(id, true)).data).toEqual({ deleteFeatureService: id })
})

test('nothing to remove, and what is not there, are errors', async () => {
  const codes = async (variables: object) =>
    (await server.graphql(query, { ...variables })).errors?.map(({ extensions }) => extensions.code)
  expect(await codes({})).toEqual(['BAD_USER_INPUT'])
  expect(await codes({ view: 'fv_none' })).toEqual(['NOT_FOUND'])
  expect(await codes({ service: 'svc_none' })).toEqual(['NOT_FOUND'])
})
