// A gateway over a PostgreSQL that others write to, with what it logs; and the questions that tests of freshness ask it.

import { type DestinationStream, pino } from 'pino'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDataFolder } from '../data-folder.ts'
import { createClient } from '../http/client.ts'
import { startPostgres } from '../servers/postgres.ts'
import { execute } from '../warehouse/open-postgres.ts'

export type FreshnessGateway = Awaited<ReturnType<typeof startGateway>>

interface Looked {
  status: string
  source: string
  rows: Record<string, unknown>[]
}

export interface ViewFields {
  id: string
  name: string
  refresh: string
  ttlSeconds: number | null
  refreshEvery: string | null
  refreshedAt: string | null
  refreshing: { rows: number } | null
  freshness: { keptBy: string[]; behindSeconds: number | null; note: string | null }
}

const viewFields =
  'id name refresh ttlSeconds refreshEvery refreshedAt refreshing { rows } freshness { keptBy behindSeconds note }'

/** `settings` are the gateway's; without a WAREHOUSE_URL the warehouse is embedded. */
export async function startGateway(settings: Record<string, string> = {}) {
  const folder = await createDataFolder('freshness')
  const lines: string[] = []
  const stream: DestinationStream = { write: (line) => void lines.push(line) }
  const open = async () => {
    const config = parseConfig({ PORT: '0', DATA_DIR: folder.path, ...settings })
    const app = await createApp(config, pino({}, stream), { metrics: createMetrics() })
    return { app, url: (await app.listen()).url }
  }
  let running = await open()
  let client = createClient(running.url)

  async function save(name: string, sql: string): Promise<string> {
    const saved = await client.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($name: String!, $sql: String!) { queryTrain(queryName: $name, query: $sql) { query { id } } }',
      { name, sql },
    )
    return saved.queryTrain.query.id
  }

  async function lookUp(queryId: string, indexKey: string, values: readonly string[]): Promise<Looked[]> {
    const answer = await client.data<{ queryRealtimeMany: Looked[] }>(
      'query ($queryId: ID!, $indexKey: String!, $values: [String!]!) { queryRealtimeMany(queryId: $queryId, indexKey: $indexKey, indexValues: $values) { status source rows } }',
      { queryId, indexKey, values },
    )
    return answer.queryRealtimeMany
  }

  /** `args` are those of createFeatureView beside its name and query, as GraphQL writes them. */
  async function createView(name: string, sql: string, args: string) {
    const queryId = await save(name, sql)
    const answer = await client.data<{ createFeatureView: ViewFields }>(
      `mutation { createFeatureView(name: ${JSON.stringify(name)}, queryId: "${queryId}", ${args}) { ${viewFields} } }`,
    )
    return { queryId, view: answer.createFeatureView }
  }

  return {
    get client() {
      return client
    },
    get services() {
      return running.app.services
    },
    get url() {
      return running.url
    },
    lines,
    save,
    lookUp,
    createView,
    async view(id: string): Promise<ViewFields> {
      const { node } = await client.data<{ node: ViewFields }>(
        `{ node(id: "${id}") { ... on FeatureView { ${viewFields} } } }`,
      )
      return node
    },
    /** Once every view that is made, or behind, is online whole. */
    idle: () => running.app.services.realtime.idle(),
    async restart(meanwhile?: () => Promise<void>) {
      await running.app.close()
      await meanwhile?.()
      running = await open()
      client = createClient(running.url)
    },
    async close() {
      await running.app.close()
      await folder.remove()
    },
  }
}

/** With the schema `sales`, whose tables others write. */
export async function startWithPostgres(ddl: string, settings: Record<string, string> = {}) {
  const server = await startPostgres()
  await execute(server.url, `CREATE SCHEMA sales; ${ddl}`)
  const gateway = await startGateway({ WAREHOUSE_URL: server.url, ...settings })
  return {
    gateway,
    url: server.url,
    /** As others do. */
    write: (sql: string) => execute(server.url, sql),
    async close() {
      await gateway.close()
      await server.stop()
    },
  }
}
