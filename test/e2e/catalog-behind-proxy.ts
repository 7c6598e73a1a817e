// A gateway whose catalog is a database of its own behind a proxy, which carries nothing while a test says so.

import { onTestFinished } from 'vitest'
import { createFolder } from '../servers/child.ts'
import type { PostgresServer } from '../servers/postgres.ts'
import { startProxy } from '../servers/proxy.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { startGateway } from './gateway.ts'

let databases = 0

/** Gone when the test is finished. `catalogUrl` leads past the proxy. */
export async function startBehindProxy(postgres: PostgresServer) {
  const database = `behind_proxy_${databases++}`
  await execute(postgres.url, `CREATE DATABASE ${database}`)
  const proxy = await startProxy(postgres.port)
  onTestFinished(proxy.stop)
  const folder = await createFolder('behind-proxy')
  onTestFinished(folder.remove)
  const catalogUrl = postgres.databaseUrl(database)
  const proxied = catalogUrl.replace(`:${postgres.port}/`, `:${proxy.port}/`)
  const gateway = await startGateway(folder.path, { CATALOG_URL: proxied })
  onTestFinished(gateway.stop)
  return { proxy, catalogUrl, gateway }
}
