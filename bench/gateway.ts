// A gateway in a process of its own, as `npm start` runs it, for the benchmark.

import packageJson from '../package.json' with { type: 'json' }
import { createFolder, startChild } from '../test/servers/child.ts'

export type BenchGateway = Awaited<ReturnType<typeof startGateway>>

const ready = /Ready\. GraphQL and GraphiQL: (\S+)\/graphql/

/** What `npm start` sets before it runs `node`. */
const startSettings = Object.fromEntries(
  [...packageJson.scripts.start.matchAll(/(\w+)=(\S+) /g)].map(([, name, value]) => [name, value ?? '']),
)

export async function startGateway(settings: Record<string, string>, nodeOptions: readonly string[] = []) {
  const folder = await createFolder('bench')
  const env = { ...startSettings, PORT: '0', DATA_DIR: folder.path, ...settings }
  const child = await startChild(process.execPath, [...nodeOptions, 'src/main.ts'], {
    ready,
    env,
    startTimeoutMs: 120_000,
  })
  const url = ready.exec(child.output())?.[1] ?? ''

  async function data<Data>(query: string, variables: Record<string, unknown> = {}): Promise<Data> {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    const answer = (await response.json()) as { data?: Data; errors?: unknown }
    if (answer.errors !== undefined || !answer.data) throw new Error(JSON.stringify(answer.errors))
    return answer.data
  }

  /** Resolves once the publish job has succeeded: its progress, an event stream, ends with it. */
  async function published(jobId: string): Promise<void> {
    const query = 'subscription ($id: ID!) { publishProgress(jobId: $id) { status error } }'
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query, variables: { id: jobId } }),
    })
    const told = await response.text()
    if (!told.includes('"status":"SUCCEEDED"')) throw new Error(told.slice(-1000))
  }

  return {
    url,
    pid: child.pid,
    folder: folder.path,
    data,
    published,
    async stop() {
      await child.end()
      await folder.remove()
    },
  }
}
