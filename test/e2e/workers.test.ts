// Several processes on one port: they answer as one gateway, one that dies is started again, and all stop together.

import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { publishAndFollow, train } from '../../examples/client/features.ts'
import { createFolder } from '../servers/child.ts'
import { parseExposition } from '../telemetry/exposition.ts'
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

test('metrics are those of every worker, whichever is asked, each under its number', async () => {
  const body = JSON.stringify({ query: 'query Asked { __typename }' })
  const headers = { 'content-type': 'application/json', connection: 'close' }
  for (let i = 0; i < 6; i++) await fetch(`${gateway.url}/graphql`, { method: 'POST', body, headers })
  for (let i = 0; i < 2; i++) {
    const response = await fetch(`${gateway.url}/metrics`, { headers: { connection: 'close' } })
    const { value, samples } = parseExposition(await response.text())
    expect(value('gateway_operations_total', { operation: 'Asked', outcome: 'OK' })).toBe(6)
    for (const worker of ['1', '2']) {
      expect(value('gateway_operations_total', { operation: 'Asked', worker })).toBe(3)
      expect(value('gateway_worker_up', { worker })).toBe(1)
      expect(value('process_resident_memory_bytes', { worker })).toBeGreaterThan(1e7)
    }
    // What they share is told once.
    const shared = samples.filter(({ name }) => name === 'gateway_jobs' || name === 'gateway_dependency_up')
    expect(shared.filter(({ labels }) => 'worker' in labels)).toEqual([])
    expect(shared).toHaveLength(4 + 3)
  }
})

test('a worker that hangs is left out of the metrics, which say so', async () => {
  const pid = serving(2).at(-1) ?? Number.NaN
  process.kill(pid, 'SIGSTOP')
  try {
    const controller = new AbortController()
    const asked = Array.from({ length: 4 }, () =>
      fetch(`${gateway.url}/metrics`, { headers: { connection: 'close' }, signal: controller.signal }),
    )
    const response = await Promise.any(asked)
    const { value } = parseExposition(await response.text())
    controller.abort()
    await Promise.allSettled(asked)
    expect([1, 2].map((worker) => value('gateway_worker_up', { worker: `${worker}` }))).toEqual([1, 0])
    expect(value('process_resident_memory_bytes', { worker: '1' })).toBeGreaterThan(1e7)
  } finally {
    process.kill(pid, 'SIGCONT')
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
