// A gateway with three views of drivers and customers, and the questions that tests of services ask it.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDataFolder } from '../data-folder.ts'
import { type Answer, createClient } from '../http/client.ts'
import { testLog } from '../parts.ts'
import { parseExposition } from '../telemetry/exposition.ts'

export type ServicesGateway = Awaited<ReturnType<typeof startGateway>>

export interface Vector {
  entity: unknown
  features: Record<string, unknown>
  views: {
    view: string
    status: string
    source: string
    asOf: string | null
    error: { code: string; message: string } | null
  }[]
  error: { code: string; message: string } | null
}

const tables = {
  drivers: [
    ['driver_id BIGINT', 'name VARCHAR', 'rate DOUBLE', 'trips INTEGER', 'big BIGINT', 'paid DECIMAL(18,2)'],
    [
      `(7, 'Zoë "Z", }', 0.5, 10, 9007199254740993, 12.50)`,
      '(8, NULL, NULL, 20, 1, NULL)',
      "(9, '\\', 1.25, 30, -1, 0)",
    ],
  ],
  cars: [
    ['driver_id BIGINT', 'model VARCHAR', 'seats INTEGER[]', 'info STRUCT(a INTEGER, model VARCHAR)'],
    ["(7, 'Ä', [1, 2], {'a': 1, 'model': 'inner'})", "(8, 'b', [], NULL)", "(8, 'c', NULL, NULL)"],
  ],
  visits: [
    ['customer VARCHAR', 'shop INTEGER', 'n INTEGER'],
    ["('u1', 1, 100)", "('u1', 2, 200)", "('u2', 1, 300)"],
  ],
} as const

/** On these stores; what the views hold is in a Parquet file, a CSV or a table just as well. */
export async function startGateway(settings: Record<string, string> = {}) {
  const folder = await createDataFolder('services')
  const etlFolder = join(folder.path, 'etl')
  await mkdir(etlFolder)
  const config = parseConfig({ PORT: '0', DATA_DIR: folder.path, ETL_SOURCES: etlFolder, ...settings })
  const app = await createApp(config, testLog(), { metrics: createMetrics() })
  const { url } = await app.listen()
  const client = createClient(url)

  async function saveQuery(name: string, sql: string): Promise<string> {
    const saved = await client.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($name: String!, $sql: String!) { queryTrain(queryName: $name, query: $sql) { query { id } } }',
      { name, sql },
    )
    return saved.queryTrain.query.id
  }

  async function createView(name: string, queryId: string, indexKeys: readonly string[], refresh = 'FULL') {
    const made = await client.data<{ createFeatureView: { id: string } }>(
      'mutation ($name: String!, $queryId: ID!, $indexKeys: [String!], $refresh: RefreshPolicy) { createFeatureView(name: $name, queryId: $queryId, indexKeys: $indexKeys, refresh: $refresh) { id } }',
      { name, queryId, indexKeys, refresh },
    )
    return made.createFeatureView.id
  }

  async function view(name: keyof typeof tables, indexKeys: readonly string[]) {
    const [columns, rows] = tables[name]
    const names = columns.map((column) => column.split(' ')[0]).join(', ')
    const casts = columns.map((column) => column.replace(/^(\S+) (.*)$/, 'CAST($1 AS $2) AS $1')).join(', ')
    const queryId = await saveQuery(name, `SELECT ${casts} FROM (VALUES ${rows.join(', ')}) t(${names})`)
    return { queryId, id: await createView(name, queryId, indexKeys) }
  }

  const vectorFields =
    'entity features views { view status source asOf error { code message } } error { code message }'

  return {
    ...client,
    url,
    app,
    saveQuery,
    createView,
    view,
    async onlineReads(): Promise<number> {
      const exposition = parseExposition(await app.services.metrics.registry.metrics())
      return exposition.value('gateway_online_seconds_count', { call: 'read' })
    },
    async writeEtl(name: string, source: string): Promise<string> {
      await writeFile(join(etlFolder, name), source)
      return `file:${join(etlFolder, name)}`
    },
    createService: (variables: Record<string, unknown>): Promise<Answer> =>
      client.graphql(
        `mutation ($name: String!, $features: [FeatureRefInput!]!, $etlPath: String, $requestColumns: [ColumnInput!], $description: String, $tags: [String!]) {
          createFeatureService(name: $name, features: $features, etlPath: $etlPath, requestColumns: $requestColumns, description: $description, tags: $tags) {
            id name version description tags features { name prefix view { name } } indexKeys { name type } requestColumns { name type nullable } columns { name type } etl { id }
          }
        }`,
        variables,
      ),
    askVectors: (variables: Record<string, unknown>): Promise<Answer> =>
      client.graphql(
        `query ($service: String, $features: [FeatureRefInput!], $entities: [JSON!]!, $fullNames: Boolean) {
          onlineFeatures(service: $service, features: $features, entities: $entities, fullNames: $fullNames) { ${vectorFields} }
        }`,
        variables,
      ),
    async vectors(variables: Record<string, unknown>): Promise<Vector[]> {
      const answer = await this.askVectors(variables)
      if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors))
      return answer.data?.onlineFeatures as Vector[]
    },
    async close() {
      await app.close()
      await folder.remove()
    },
  }
}
