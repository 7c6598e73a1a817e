// What docker compose sets up beside the gateway, tried on a server of the tests' own: its files' first start.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from '../e2e/gateway.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { execute } from '../warehouse/open-postgres.ts'

let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres?.stop())

test('the gateway serves on the role and the databases of ops/postgres, as no superuser', async () => {
  const env = { PATH: process.env.PATH, GATEWAY_PASSWORD: "it's" }
  const args = ['--set', 'ON_ERROR_STOP=1', '--file', 'ops/postgres/databases.sql', postgres.url]
  await promisify(execFile)('psql', args, { env })
  const database = (name: string) => {
    const url = new URL(postgres.url)
    url.username = 'gateway'
    url.password = "it's"
    url.pathname = `/${name}`
    return url.href
  }
  const folder = await createDataFolder('compose')
  const gateway = await startGateway(folder.path, {
    CATALOG_URL: database('catalog'),
    WAREHOUSE_URL: database('warehouse'),
  })
  const { examined } = { examined: await gateway.services.warehouse.examine?.() }
  await gateway.stop()
  await folder.remove()
  expect(examined).toContainEqual({ level: 'OK', text: 'its role gateway is no superuser' })
  const rows = await execute(postgres.url, "SELECT 1 FROM pg_roles WHERE rolname = 'gateway' AND rolsuper")
  expect(rows).toEqual([])
})

test('a superuser is noticed, with what to do', async () => {
  const folder = await createDataFolder('superuser')
  const gateway = await startGateway(folder.path, { WAREHOUSE_URL: postgres.url })
  const examined = await gateway.services.warehouse.examine?.()
  await gateway.stop()
  await folder.remove()
  expect(examined).toContainEqual({
    level: 'WARN',
    text: expect.stringContaining('its role postgres is a superuser'),
    mend: expect.stringContaining('NOSUPERUSER'),
  })
})
