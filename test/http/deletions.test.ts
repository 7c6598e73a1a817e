// Saved queries, ETLs and datasets that are deleted over GraphQL and REST, and what uses them.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFolder } from '../servers/child.ts'
import { type Gateway, openGateway } from './gateway.ts'

const folder = await createFolder('deletions')
const etlPath = `file:${folder.path}/etl/twice.ts`
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>

beforeAll(async () => {
  await mkdir(join(folder.path, 'etl'))
  await writeFile(
    join(folder.path, 'etl/twice.ts'),
    'export function transform({ n }) { return { n, twice: 2 * Number(n) } }',
  )
  gateway = await openGateway({ ETL_SOURCES: join(folder.path, 'etl') })
  server = await gateway.serve()
})

afterAll(async () => {
  await server?.close()
  await gateway?.close()
  await folder.remove()
})

async function train(name: string) {
  const { queryTrain } = await server.data<{
    queryTrain: { query: { id: string }; dataset: { id: string } }
  }>(
    `mutation ($name: String!) { queryTrain(query: "SELECT i AS n FROM range(9) r(i)", queryName: $name) { query { id } dataset { id } } }`,
    { name },
  )
  return { queryId: queryTrain.query.id, datasetId: queryTrain.dataset.id }
}

async function extract(queryId: string) {
  const { extractTrain } = await server.data<{ extractTrain: { etl: { id: string } } }>(
    'mutation ($queryId: ID!, $etlPath: String!) { extractTrain(queryId: $queryId, etlPath: $etlPath) { etl { id } } }',
    { queryId, etlPath },
  )
  return extractTrain.etl.id
}

const refused = async (field: string, id: string) =>
  (await server.graphql(`mutation ($id: ID!) { ${field}(id: $id) }`, { id })).errors?.[0]
const deleted = (field: string, id: string) =>
  server.data(`mutation ($id: ID!) { ${field}(id: $id) }`, { id })
const remove = async (path: string) => (await fetch(`${server.url}${path}`, { method: 'DELETE' })).status

test('what a feature view serves is deleted after it, and lookups then know nothing of it', async () => {
  const { queryId, datasetId } = await train('served')
  const etlId = await extract(queryId)
  const lookup = `{ extractRealtime(queryId: "${queryId}", etlPath: "${etlPath}", indexKey: "n", indexValue: "3") { rows } }`
  expect(await server.data(lookup)).toEqual({ extractRealtime: { rows: [{ n: 3, twice: 6 }] } })
  const { featureViews } = await server.data<{
    featureViews: { edges: { node: { id: string; name: string } }[] }
  }>('{ featureViews { edges { node { id name } } } }')
  const view = featureViews.edges[0]?.node
  for (const [field, id] of [
    ['deleteSavedQuery', queryId],
    ['deleteEtl', etlId],
  ] as const) {
    const refusal = await refused(field, id)
    expect(refusal?.extensions.code).toBe('CONFLICT')
    expect(refusal?.message).toContain(`the feature view ${view?.name} (${view?.id}, made on first use)`)
  }
  await deleted('deleteFeatureView', view?.id ?? '')
  expect(await deleted('deleteEtl', etlId)).toEqual({ deleteEtl: etlId })
  expect(await deleted('deleteSavedQuery', queryId)).toEqual({ deleteSavedQuery: queryId })
  expect((await server.graphql(lookup)).errors?.[0]?.extensions.code).toBe('NOT_FOUND')
  expect(await server.data(`{ dataset(id: "${datasetId}") { status query { id } } }`)).toEqual({
    dataset: { status: 'SUCCEEDED', query: null },
  })
})

test('over REST what is deleted is 204, what is gone 404, what is used 409', async () => {
  const { queryId, datasetId } = await train('over rest')
  const etlId = await extract(queryId)
  await server.data(
    `mutation { createFeatureView(name: "over rest", queryId: "${queryId}", indexKey: "n") { id } }`,
  )
  const { status, body } = await server.rest('DELETE', `/queries/${queryId}`)
  expect([status, body.code]).toEqual([409, 'CONFLICT'])
  expect(body.reason).toContain('the feature view over rest')
  for (const path of [`/etls/${etlId}`, `/datasets/${datasetId}`]) {
    expect([await remove(path), await remove(path)]).toEqual([204, 404])
  }
  expect((await fetch(`${server.url}/datasets/${datasetId}.parquet`)).status).toBe(404)
  const { paths } = (await server.rest('GET', '/openapi.json')).body as { paths: Record<string, object> }
  expect(paths['/queries/{id}']).toHaveProperty('delete')
  expect(paths['/datasets/{id}']).toHaveProperty('delete')
})

test('an ETL that was deleted is loaded anew by its path, under the next version', async () => {
  const { queryId } = await train('loaded anew')
  const versionOf = async (id: string) =>
    (await server.data<{ etl: { version: number } | null }>(`{ etl(id: "${id}") { version } }`)).etl?.version
  const first = await extract(queryId)
  const version = await versionOf(first)
  await deleted('deleteEtl', first)
  const second = await extract(queryId)
  expect(second).not.toBe(first)
  expect(await versionOf(first)).toBeUndefined()
  expect(await versionOf(second)).toBe((version ?? 0) + 1)
})

test('a trusted document that names an entry keeps it', async () => {
  const { queryId } = await train('trusted')
  const file = join(folder.path, 'manifest.json')
  const document = `{ queryRealtime(queryId: "${queryId}", indexKey: "n", indexValue: "1") { rows } }`
  await writeFile(file, JSON.stringify({ 'n-of-one': document, other: '{ me { name } }' }))
  const { graphql } = gateway.config
  const trustedDocuments = { mode: 'prefer' as const, files: [file] }
  const trusting = await gateway.serve({
    config: { ...gateway.config, graphql: { ...graphql, trustedDocuments } },
  })
  const { errors } = await trusting.graphql(`mutation { deleteSavedQuery(id: "${queryId}") }`)
  expect(errors?.[0]?.message).toMatch(/is used by the trusted document n-of-one\. .* manifest/)
  await trusting.close()
})
