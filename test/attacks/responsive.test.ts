// Attacks on a gateway that answers lookups meanwhile: whatever comes in, nobody waits a second for the event loop.

import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createDataFolder } from '../data-folder.ts'
import { spawnGateway } from '../e2e/gateway.ts'
import { maxHeldMs, startWatcher, type Watcher } from '../e2e/watcher.ts'
import { createClient } from '../http/client.ts'

const tokens = {
  JWT_SECRET: 'of the attacked gateway, and of no other',
  JWT_ISSUER: 'attacks',
  JWT_AUDIENCE: 'attacks',
}
const megabyte = 1024 * 1024

let folder: Awaited<ReturnType<typeof createDataFolder>>
let gateway: Awaited<ReturnType<typeof spawnGateway>>
let watcher: Watcher
let authorization: string
let queryId: string
let datasetId: string

beforeAll(async () => {
  folder = await createDataFolder('responsive')
  gateway = await spawnGateway(folder.path, {
    ...tokens,
    AUTH: 'required',
    MAX_CONNECTIONS_PER_CALLER: '900',
  })
  const token = await new SignJWT({ scope: 'admin', sub: 'ada' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(tokens.JWT_ISSUER)
    .setAudience(tokens.JWT_AUDIENCE)
    .setExpirationTime('1d')
    .sign(new TextEncoder().encode(tokens.JWT_SECRET))
  authorization = `Bearer ${token}`
  const admin = createClient(gateway.url, { authorization })
  const train = (sql: string) =>
    admin.data<{ queryTrain: { query: { id: string }; dataset: { id: string } } }>(
      'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "q") { query { id } dataset { id } } }',
      { sql },
    )
  queryId = (
    await train(
      "SELECT i AS n, 'small' AS text FROM range(9) r(i) UNION ALL SELECT 99, repeat('x', 22000000)",
    )
  ).queryTrain.query.id
  datasetId = (await train("SELECT i AS n, repeat('x', 1000) AS text FROM range(10000) r(i)")).queryTrain
    .dataset.id
  for (const value of ['1', '99']) expect(await post('/query/realtime', lookupBody(value))).toBe(200)
  const lookup = { body: lookupBody('1'), authorization }
  watcher = startWatcher({ url: gateway.url, pid: gateway.pid ?? 0, lookup })
})

afterAll(async () => {
  await watcher?.stop()
  await gateway?.stop()
  await folder?.remove()
})

function ask(
  agent: Agent,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const method = body === undefined ? 'GET' : 'POST'
  const asked = request(
    `${gateway.url}${path}`,
    { method, agent, headers: { 'content-type': 'application/json', ...headers } },
    (response) => {
      response
        .resume()
        .once('end', () => resolve(response.statusCode ?? 0))
        .once('error', reject)
    },
  )
  asked.once('error', reject)
  asked.end(body)
  return promise
}

const lookupBody = (value: string) =>
  JSON.stringify({ query_id: queryId, index_key: 'n', index_value: value })

async function open(): Promise<Socket> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

async function socketOf(messages: readonly string[]) {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  socket.on('error', () => undefined)
  await once(socket, 'open')
  const closed = once(socket, 'close')
  for (const message of messages) {
    socket.send(message)
    if (messages.length > 1) await Promise.race([once(socket, 'message'), closed])
  }
  await Promise.race([closed, sleep(5_000)])
  socket.terminate()
}

const zeros = (bytes: number) => `[${'0,'.repeat(bytes / 2)}9007199254740993]`
const inVariables = (json: string) => `{"query":"query ($x: JSON) { __typename }","variables":{"x":${json}}}`
const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  ask(new Agent(), path, body, { authorization, ...headers }).catch(() => 0)
const repeated = async (times: number, act: () => Promise<unknown>) => {
  await Promise.all(Array.from({ length: times }, act))
}
const headOf = (path: string, length: number, more = '') =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`

/** Connections that are held for a while. */
async function hold(count: number, write: (socket: Socket) => void, forMs = 2_000) {
  const sockets = await Promise.all(Array.from({ length: count }, () => open().catch(() => null)))
  for (const socket of sockets) if (socket !== null) write(socket)
  await sleep(forMs)
  for (const socket of sockets) socket?.destroy()
}

const init = (payload: string) => `{"type":"connection_init","payload":${payload}}`
const rows = (limit: number) => `dataset(id: "${datasetId}") { rows(limit: ${limit}) }`

describe('nobody waits long beside', () => {
  test.each<[name: string, attack: () => Promise<unknown>]>([
    [
      'a connection_init of fifteen million zeros, from a stranger',
      () => socketOf([init(`{"x":${zeros(30 * megabyte)}}`)]),
    ],
    [
      'the same from who is known by then',
      () => socketOf([init(JSON.stringify({ authorization })), init(`{"x":${zeros(30 * megabyte)}}`)]),
    ],
    [
      'thirty megabytes of zeros and a long integer',
      () => post('/graphql', inVariables(zeros(30 * megabyte))),
    ],
    [
      'thirty megabytes of long integers',
      () => post('/graphql', inVariables(`[${'9007199254740993,'.repeat((30 * megabyte) / 17)}0]`)),
    ],
    [
      'thirty megabytes of lists in lists',
      () => post('/graphql', inVariables(`[${'[[]],'.repeat(6 * megabyte)}0]`)),
    ],
    [
      'thirty megabytes of names',
      () => post('/graphql', inVariables(`{${Array.from({ length: 2_400_000 }, (_, i) => `"k${i}":0`)}}`)),
    ],
    ['a REST body of thirty megabytes', () => repeated(4, () => post('/query/train', zeros(30 * megabyte)))],
    ['bodies for what no route takes', () => repeated(4, () => post('/nowhere', zeros(30 * megabyte)))],
    [
      'a million index values',
      () =>
        post(
          '/graphql',
          JSON.stringify({
            query:
              'query ($v: [String!]!) { queryRealtimeMany(queryId: "qry_0", indexKey: "n", indexValues: $v) { rows } }',
            variables: { v: Array(1_000_000).fill('1') },
          }),
        ),
    ],
    [
      'a million entities',
      () =>
        post(
          '/online-features',
          JSON.stringify({ service: 'none', entities: Array(1_000_000).fill({ n: 1 }) }),
        ),
    ],
    [
      'as many entities as a body may hold, by REST and by GraphQL',
      async () => {
        const entities = Array.from({ length: 200_000 }, (_, n) => ({ n }))
        await post('/online-features', JSON.stringify({ features: [{ view: 'none' }], entities }))
        const query =
          '($e: [JSON!]!) { onlineFeatures(features: [{ view: "none" }], entities: $e) { features } }'
        await post('/graphql', JSON.stringify({ query: `query ${query}`, variables: { e: entities } }))
      },
    ],
    [
      'the largest page under forty aliases',
      () =>
        post(
          '/graphql',
          JSON.stringify({
            query: `{ ${Array.from({ length: 40 }, (_, i) => `a${i}: ${rows(10_000)}`).join(' ')} }`,
          }),
        ),
    ],
    [
      'the largest page, for eight callers',
      () => repeated(8, () => post('/graphql', JSON.stringify({ query: `{ ${rows(10_000)} }` }))),
    ],
    [
      'five hundred strangers with a megabyte each',
      () => hold(500, (socket) => socket.write(headOf('/graphql', megabyte) + 'x'.repeat(megabyte - 1))),
    ],
    [
      'lookups of a large answer that are never read',
      () =>
        hold(4, (socket) => {
          socket.pause()
          const body = lookupBody('99')
          socket.write(
            (headOf('/query/realtime', body.length, `Authorization: ${authorization}\r\n`) + body).repeat(64),
          )
        }),
    ],
    ['three thousand connections that say nothing', () => hold(3_000, () => undefined)],
    [
      'documents of a megabyte',
      () =>
        repeated(8, () => post('/graphql', JSON.stringify({ query: `{ ${'__typename '.repeat(90_000)} }` }))),
    ],
  ])('%s', async (_name, attack) => {
    await watcher.take()
    await attack()
    let heldMs = 0
    const ends: Record<string, number> = {}
    // However long it takes on a machine that has much else to do: lookups go on.
    await expect
      .poll(async () => {
        const seen = await watcher.take()
        heldMs = Math.max(heldMs, seen.heldMs)
        for (const [end, count] of Object.entries(seen.ends)) ends[end] = (ends[end] ?? 0) + count
        return ends[200] ?? 0
      })
      .toBeGreaterThan(20)
    expect(heldMs).toBeLessThan(maxHeldMs)
    // Who waits is told so, if anything; nobody is cut off.
    expect(Object.keys(ends).filter((end) => end !== '200' && end !== '503')).toEqual([])
  })

  test('all of it together in bounded memory', async () => {
    const answer = await fetch(`${gateway.url}/metrics`, { headers: { authorization } })
    const [, bytes] = /^process_resident_memory_bytes (\S+)$/m.exec(await answer.text()) ?? []
    expect(Number(bytes) / megabyte).toBeLessThan(1_700)
  })
})
