// The HTTP server over the gateway's real services, in a folder of its own; services can be watched at their edge.

import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { createHttpServer, type HttpServerOptions } from '../../src/http/server.ts'
import { createDataFolder } from '../data-folder.ts'
import { testLog } from '../parts.ts'

export type Gateway = Awaited<ReturnType<typeof openGateway>>
export type Services = Gateway['services']

/** Opens the stores once; `serve` puts a server before them, as often as a test needs one. */
export async function openGateway(settings: Record<string, string> = {}) {
  const folder = await createDataFolder('http')
  const config = parseConfig({ PORT: '0', DATA_DIR: folder.path, ...settings })
  const log = testLog()
  const app = await createApp(config, log)

  async function serve(options: Partial<HttpServerOptions> = {}) {
    const server = await createHttpServer({ config, services: app.services, log, ...options })
    const { url } = await server.listen()
    return { url, close: server.close, ...clientOf(url) }
  }

  async function close() {
    await app.close()
    await folder.remove()
  }

  return { config, log, services: app.services, serve, close }
}

export interface Answer {
  data?: Record<string, unknown> | null
  errors?: {
    message: string
    path?: (string | number)[]
    extensions: { code: string; details?: Record<string, unknown> }
  }[]
}

function clientOf(url: string) {
  async function graphql(query: string, variables?: Record<string, unknown>): Promise<Answer> {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    return (await response.json()) as Answer
  }
  /** The data of an operation that must not fail. */
  async function data<Data>(query: string, variables?: Record<string, unknown>): Promise<Data> {
    const answer = await graphql(query, variables)
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors))
    return answer.data as Data
  }
  async function rest(method: string, path: string, body?: unknown) {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return { graphql, data, rest }
}
