// Several processes on one port: they answer as one gateway, one that dies is started again, and all stop together.

import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { publishAndFollow, train } from '../../examples/client/features.ts'
import { createFolder } from '../servers/child.ts'
import { spawnGateway } from './gateway.ts'
import { openServers } from './stores.ts'

let servers: Awaited<ReturnType<typeof openServers>>
const folder = await createFolder('workers')
let gateway: Awaited<ReturnType<typeof spawnGateway>>

beforeAll(async () => {
  servers = await openServers()
  gateway = await spawnGateway(folder.path, { ...(await servers.create()), WORKERS: '2' })
})

afterAll(async () => {
  await gateway?.kill()
  await servers?.stop()
  await folder.remove()
})

/** The processes that have said that they serve, as the log tells, the latest last. */
function serving(number: number): number[] {
  return [...gateway.output.join('\n').matchAll(/Worker (\d+) \(process (\d+)\) serves/g)]
    .filter((line) => Number(line[1]) === number)
    .map((line) => Number(line[2]))
}

test('what one worker publishes, saves and trains every connection sees', async () => {
  await publishAndFollow(gateway.typed, { nFlows: 200, seed: 1 }, () => {})
  const { query, dataset } = await train(gateway.typed, 'SELECT * FROM feature_store.users', 'users')
  const user = String(dataset.rows[0]?.user_id)
  // A request without keep-alive goes to the worker whose turn it is.
  const body = JSON.stringify({ query_id: query?.id, index_key: 'user_id', index_value: user })
  const headers = { 'content-type': 'application/json', connection: 'close' }
  for (let i = 0; i < 6; i++) {
    const response = await fetch(`${gateway.url}/query/realtime`, { method: 'POST', body, headers })
    expect(await response.json()).toMatchObject({ status: 'FRESH', data: [{ user_id: user }] })
    const download = await fetch(dataset.downloads.parquet, { headers: { connection: 'close' } })
    expect(download.status).toBe(200)
    await download.arrayBuffer()
  }
})

test('a worker that is killed is started again, while the other goes on answering', async () => {
  const [killed] = serving(1)
  process.kill(killed ?? Number.NaN, 'SIGKILL')
  await vi.waitFor(() => expect(serving(1)).toHaveLength(2), { timeout: 60_000 })
  for (let i = 0; i < 4; i++) {
    const response = await fetch(`${gateway.url}/readyz`, { headers: { connection: 'close' } })
    expect(response.status).toBe(200)
  }
})

test('SIGTERM ends all of them', async () => {
  const pids = [serving(1).at(-1), serving(2).at(-1)]
  expect(await gateway.stop()).toBe(0)
  for (const pid of pids) expect(() => process.kill(pid ?? Number.NaN, 0)).toThrow('ESRCH')
})

test('stores that belong to one process are refused with a sentence that names their settings', async () => {
  await expect(spawnGateway(folder.path, { WORKERS: '2' })).rejects.toThrow(
    /WORKERS=.*CATALOG_URL, WAREHOUSE_URL, ONLINE_URL/,
  )
})
