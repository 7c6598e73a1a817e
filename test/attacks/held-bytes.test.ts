// Connections that leave their answers unread or their requests unfinished, one after the other: the process's memory stays bounded, and others are answered.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { spawnGateway } from '../e2e/gateway.ts'

const megabyte = 1024 * 1024
/** What is held, and as much again in garbage and copies. */
const maxGrowth = 600
const [connections, answerBytes] = [60, 20_000_000]

let folder: Awaited<ReturnType<typeof createDataFolder>>
let gateway: Awaited<ReturnType<typeof spawnGateway>>
let queryId: string

beforeAll(async () => {
  folder = await createDataFolder('held')
  gateway = await spawnGateway(folder.path)
  const sql = `SELECT i AS n, repeat('x', CASE i WHEN 2 THEN ${answerBytes} ELSE 5 END) AS text FROM range(3) r(i)`
  const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "q") { query { id } } }',
    { sql },
  )
  queryId = queryTrain.query.id
  for (const value of ['1', '2']) expect(await lookUp(value)).toBe(200)
})

afterAll(async () => {
  await gateway?.stop()
  await folder?.remove()
})

const lookupBody = (value: string) =>
  JSON.stringify({ query_id: queryId, index_key: 'n', index_value: value })

async function lookUp(value: string): Promise<number> {
  const response = await fetch(`${gateway.url}/query/realtime`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: lookupBody(value),
  })
  await response.arrayBuffer()
  return response.status
}

const residentMegabytes = () =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) / 1024

const headOf = (path: string, length: number) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`

/** From another address than those who look up; resolves once something has come back, or all is sent. */
async function attack(sent: string, until: 'ANSWERED' | 'SENT') {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect({ host: hostname, port: Number(port), localAddress: '127.0.0.2' })
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  const answered = once(socket, 'data').then(() => socket.pause())
  const written = new Promise((resolve) => socket.write(sent, resolve))
  await Promise.race([closed, answered, ...(until === 'SENT' ? [written] : [])])
  return socket
}

test.each<[name: string, until: 'ANSWERED' | 'SENT', sent: () => string]>([
  [
    'answers that are never read',
    'ANSWERED',
    () => headOf('/query/realtime', lookupBody('2').length) + lookupBody('2'),
  ],
  ['requests that do not end', 'SENT', () => headOf('/graphql', answerBytes + 1) + ' '.repeat(answerBytes)],
])('%s take bounded memory', async (_name, until, sent) => {
  const before = residentMegabytes()
  let most = 0
  const sockets: Awaited<ReturnType<typeof attack>>[] = []
  for (let i = 0; i < connections; i++) {
    sockets.push(await attack(sent(), until))
    expect(await lookUp('1')).toBe(200)
    most = Math.max(most, residentMegabytes())
  }
  for (const socket of sockets) socket.destroy()
  expect((connections * answerBytes) / megabyte).toBeGreaterThan(maxGrowth * 1.5)
  expect(most - before).toBeLessThan(maxGrowth)
})
