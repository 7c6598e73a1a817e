// A saved query by its name wherever its id is taken: over GraphQL and REST, the newest version or the one that is said.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFolder } from '../servers/child.ts'
import { type Gateway, openGateway } from './gateway.ts'

const folder = await createFolder('query-names')
const etlPath = `file:${folder.path}/etl/says.js`
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
/** Of versions 1 and 2. */
let ids: string[]

beforeAll(async () => {
  await mkdir(join(folder.path, 'etl'))
  await writeFile(
    join(folder.path, 'etl/says.js'),
    'export function transform(row) { console.log("n is", row.n); if (row.v === 3) throw new Error("three"); return row }',
  )
  gateway = await openGateway({ ETL_SOURCES: join(folder.path, 'etl') })
  server = await gateway.serve()
  ids = [await save(1), await save(2)]
})

afterAll(async () => {
  await server?.close()
  await gateway?.close()
  await folder.remove()
})

async function save(version: number, name = 'my query') {
  const sql = `SELECT i AS n, ${version} AS v FROM range(3) r(i)`
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } } }',
    { sql, name },
  )
  return queryTrain.query.id
}

async function versionOf(queryId: string) {
  const { data, errors } = await server.graphql(
    'query ($queryId: ID!) { queryRealtime(queryId: $queryId, indexKey: "n", indexValue: "1") { rows } }',
    { queryId },
  )
  const { queryRealtime } = (data ?? {}) as { queryRealtime?: { rows: { v: number }[] } }
  return errors?.[0]?.extensions.code ?? queryRealtime?.rows[0]?.v
}

async function versionOverRest(queryId: string) {
  const { body } = await server.rest('POST', '/query/realtime', {
    query_id: queryId,
    index_key: 'n',
    index_value: '1',
  })
  return body.code ?? (body.data as { v: number }[])[0]?.v
}

const references: [what: string, reference: () => string, found: number | string][] = [
  ['an id', () => ids[0] ?? '', 1],
  ['a name', () => 'my query', 2],
  ['a name and a version', () => 'my query@1', 1],
  ['the newest version', () => 'my query@2', 2],
  ['a version that is not there', () => 'my query@3', 'NOT_FOUND'],
  ['no version', () => 'my query@', 'NOT_FOUND'],
  ['another spelling', () => 'My query', 'NOT_FOUND'],
]

test.each(references)(
  '%s finds the same over GraphQL and REST, on the hot path and beside it',
  async (_what, reference, version) => {
    for (let i = 0; i < 2; i++) {
      expect(await versionOf(reference())).toBe(version)
      expect(await versionOverRest(reference())).toBe(version)
    }
  },
)

test('a version that is saved is at once what the name finds, and a name that looks like a version goes first', async () => {
  expect(await versionOf('my query')).toBe(2)
  await save(4)
  expect([await versionOf('my query'), await versionOverRest('my query')]).toEqual([4, 4])
  expect(await versionOf('my query@1')).toBe(1)
  await save(7, 'my query@1')
  expect(await versionOf('my query@1')).toBe(7)
})

test('a view is made by the name, and an extraction; what the ETL says comes with the dataset', async () => {
  await save(8, 'named')
  const { createFeatureView } = await server.data<{ createFeatureView: { query: { name: string } } }>(
    'mutation { createFeatureView(name: "by name", queryId: "named@1", indexKey: "n") { query { name } } }',
  )
  expect(createFeatureView.query.name).toBe('named')
  const { extractTrain } = await server.data<{ extractTrain: { dataset: { log: string[] } } }>(
    'mutation ($etlPath: String!) { extractTrain(queryId: "named", etlPath: $etlPath) { dataset { log rows } } }',
    { etlPath },
  )
  expect(extractTrain.dataset.log).toEqual(['n is 0', 'n is 1', 'n is 2'])
  const { body } = await server.rest('POST', '/extract/train', { query_id: 'named@1', etl_path: etlPath })
  expect(body.log).toEqual(['n is 0', 'n is 1', 'n is 2'])
})

test('of an extraction that fails, what was said before stays', async () => {
  await save(3, 'failing')
  const { errors } = await server.graphql(
    'mutation ($etlPath: String!) { extractTrain(queryId: "failing", etlPath: $etlPath) { dataset { id } } }',
    { etlPath },
  )
  expect(errors?.[0]?.extensions.code).toBe('ETL_FAILED')
  const { datasets } = await server.data<{
    datasets: { edges: { node: { status: string; log: string[] } }[] }
  }>('{ datasets(first: 1) { edges { node { status log } } } }')
  expect(datasets.edges[0]?.node).toEqual({ status: 'FAILED', log: ['n is 0'] })
})
