// The whole gateway for a test: in this process on a free port, or as a process of its own that can be killed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { TypedDocumentString } from '../../examples/client/generated/graphql.ts'
import { createTransport } from '../../examples/client/transport.ts'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createDemoTables } from '../../src/demo/tables.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createTablesOver } from '../demo-tables.ts'
import { createClient } from '../http/client.ts'

export type Settings = Record<string, string>

/** Starts the gateway in this process. */
export async function startGateway(dataDir: string, settings: Settings = {}) {
  const config = parseConfig({ PORT: '0', LOG_LEVEL: 'silent', DATA_DIR: dataDir, ...settings })
  const app = await createApp(config, createLog(config.logLevel, { readable: false }), {
    metrics: createMetrics(),
  })
  await createDemoTables(app.services.warehouse)
  const { url } = await app.listen()
  return { url, services: app.services, ...createClients(url), stop: () => app.close() }
}

/** Starts `node src/main.ts`, by another program where one is given, and resolves when it says that it is ready. */
export async function spawnGateway(dataDir: string, settings: Settings = {}, by: readonly string[] = []) {
  const [program = process.execPath, ...args] = [...by, process.execPath, 'src/main.ts']
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH ?? '', PORT: '0', DATA_DIR: dataDir, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: string[] = []
  const exited = once(child, 'exit')
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      output.push(line)
      const ready = /Ready\. GraphQL and GraphiQL: (\S+)\/graphql/.exec(line)
      if (ready?.[1]) resolve(ready[1])
    })
    exited.then(() => reject(new Error(`The gateway ended while it started:\n${output.join('\n')}`)))
  })
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await exited
    return child.exitCode
  }
  const clients = createClients(url)
  if (settings.AUTH === undefined) await createTablesOver(clients)
  return {
    url,
    output,
    pid: child.pid,
    /** Its exit code, once it has ended by itself. */
    ended: exited.then(() => child.exitCode),
    ...clients,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }
}

function createClients(url: string) {
  const client = createClient(url)
  const typed = createTransport(url)
  /** An untyped subscription: the data of each event. */
  function follow<TData>(query: string, variables: Record<string, unknown>) {
    return typed.subscribe<TData, Record<string, unknown>>(new TypedDocumentString(query), variables)
  }
  async function lookUp(queryId: string, indexKey: string, indexValues: readonly string[]) {
    const { queryRealtimeMany } = await client.data<{ queryRealtimeMany: RealtimeRows[] }>(
      `query ($queryId: ID!, $indexKey: String!, $indexValues: [String!]!) {
        queryRealtimeMany(queryId: $queryId, indexKey: $indexKey, indexValues: $indexValues) { indexValue status source rows error { code message } }
      }`,
      { queryId, indexKey, indexValues },
    )
    return queryRealtimeMany
  }
  return { ...client, typed, follow, lookUp }
}

interface RealtimeRows {
  indexValue: string
  status: string
  source: string
  rows: Record<string, unknown>[]
  error: { code: string; message: string } | null
}
