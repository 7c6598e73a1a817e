// The HTTP server over the gateway's real services, in a folder of its own; services can be watched at their edge.

import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createDemoTables } from '../../src/demo/tables.ts'
import { httpLimits } from '../../src/http/server/limits.ts'
import { createHttpServer, type HttpServerOptions } from '../../src/http/server/server.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDataFolder } from '../data-folder.ts'
import { testLog } from '../parts.ts'
import { createClient } from './client.ts'

export type Gateway = Awaited<ReturnType<typeof openGateway>>
export type Services = Gateway['services']

/** Opens the stores once; `serve` puts a server before them, as often as a test needs one. */
export async function openGateway(settings: Record<string, string> = {}) {
  const folder = await createDataFolder('http')
  const config = parseConfig({ PORT: '0', DATA_DIR: folder.path, ...settings })
  const log = testLog()
  const app = await createApp(config, log, { metrics: createMetrics() })
  await createDemoTables(app.services.warehouse)

  async function serve(options: Partial<HttpServerOptions> = {}) {
    const server = await createHttpServer({
      config,
      services: app.services,
      counters: null,
      limits: httpLimits,
      log,
      ...options,
    })
    const { url } = await server.listen()
    const { close, routes, schema } = server
    return { url, close, routes, schema, ...createClient(url) }
  }

  async function close() {
    await app.close()
    await folder.remove()
  }

  return { config, log, services: app.services, serve, close }
}
