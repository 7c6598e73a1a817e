// What Feast's clients ask for is answered by the hot path as by the route, byte for byte.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { readFeastBody } from '../../src/http/hot-path/feast.ts'
import { parseExposition } from '../telemetry/exposition.ts'
import { tries } from '../thorough.ts'
import { generateFeastBodies } from './feast-requests.ts'
import { openTypedGateway, type TypedGateway } from './typed-views.ts'

const seed = Number(process.env.HOT_PATH_SEED ?? 20_261_201)
const requestCount = tries({ all: 4_000, part: 800 })
const atOnce = 8
const path = '/get-online-features'
/** No request with a query string takes the hot path. */
const reference = `${path}?by=fastify`

let opened: TypedGateway

beforeAll(async () => {
  opened = await openTypedGateway()
})

afterAll(() => opened?.close())

const json = { 'content-type': 'application/json' }

async function send(to: string, body: string, url = opened.server.url, headers: HeadersInit = json) {
  const response = await fetch(url + to, { method: 'POST', headers, body })
  const { 'x-request-id': _, date: __, ...kept } = Object.fromEntries(response.headers)
  return { status: response.status, headers: kept, body: await response.text() }
}

async function inTurns(each: (body: string) => Promise<void>) {
  const bodies = generateFeastBodies(seed)
  let sent = 0
  async function next() {
    while (sent < requestCount) {
      sent++
      await each(bodies.next().value as string)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, next))
}

function isTaken(body: string): boolean {
  try {
    return readFeastBody(JSON.parse(body)) !== null
  } catch {
    return false
  }
}

test(`${requestCount} generated requests are answered alike`, { timeout: 400_000 }, async () => {
  const counts = { answered: 0, failed: 0, taken: 0, takenAndFailed: 0 }
  const statuses = new Map<string, number>()
  // What is first looked up is read through; once it is online both see it there.
  await inTurns(async (body) => void (await send(reference, body)))
  await inTurns(async (body) => {
    const both = async () => [await send(path, body), await send(reference, body)] as const
    let [fromHot, fromReference] = await both()
    // A failure is remembered for ten seconds, and computed at another moment after them.
    if (fromHot.body !== fromReference.body) [fromHot, fromReference] = await both()
    expect(fromHot, body).toEqual(fromReference)
    if (fromReference.status === 200) counts.answered++
    else counts.failed++
    for (const [status] of fromReference.body.matchAll(/"[A-Z_]+"/g))
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    if (!isTaken(body)) return
    counts.taken++
    if (fromReference.status !== 200) counts.takenAndFailed++
  })
  console.info(counts, statuses)
  // It is not the route compared with itself, and of all kinds there was something.
  expect(counts.answered).toBeGreaterThan(requestCount * 0.5)
  expect(counts.taken).toBeGreaterThan(counts.answered)
  expect(counts.takenAndFailed).toBeGreaterThan(requestCount * 0.05)
  for (const status of ['PRESENT', 'NULL_VALUE', 'NOT_FOUND', 'OUTSIDE_MAX_AGE', 'INVALID'])
    expect(statuses.get(`"${status}"`)).toBeGreaterThan(10)
})

test('what every answer carries is alike, and each request is limited, charged and counted once', async () => {
  const { config, services } = opened.gateway
  const limited = {
    ...config,
    corsOrigins: ['https://named.example'],
    rateLimit: { requests: 40, windowMs: 86_400_000 },
  }
  const ask = (service: string, entities: object) => JSON.stringify({ feature_service: service, entities })
  const bodies = [
    ask('one_view', { driver_id: Array.from({ length: 500 }, (_, i) => i % 7) }),
    ask('joined', { city: ['a'], n: [1] }),
    ask('nobody', { driver_id: [1] }),
    ask('one_view', { driver_id: [[]] }),
    'nonsense',
  ]
  const pages = [undefined, 'https://named.example', 'https://other.example']
  async function operations() {
    const exposition = parseExposition(await services.metrics.registry.metrics())
    const labels = { api: 'rest', operation: `POST ${path}` }
    return ['OK', 'NOT_FOUND', 'BAD_USER_INPUT'].map(
      (outcome) => exposition.value('gateway_operations_total', { ...labels, outcome }) ?? 0,
    )
  }
  const sides = []
  for (const to of [path, reference]) {
    const before = await operations()
    const { url, close } = await opened.gateway.serve({ config: limited })
    const answers = []
    for (let i = 0; i < 30; i++) {
      const origin = pages[i % pages.length]
      const body = bodies[i % bodies.length] ?? ''
      const answer = await send(to, body, url, { ...json, ...(origin && { origin }) })
      // A limit's window is told in seconds left.
      const { ratelimit = '', 'retry-after': _, ...rest } = answer.headers
      const headers = { ...rest, ratelimit: ratelimit.replace(/t=\d+/, 't') }
      answers.push({ ...answer, body: answer.body.replaceAll(/\d+ s\b/g, 's'), headers })
    }
    await close()
    sides.push({ answers, counted: (await operations()).map((count, i) => count - (before[i] ?? 0)) })
  }
  expect(sides[0]).toEqual(sides[1])
  // Not by its requests alone the caller has none left in the end.
  expect(sides[0]?.answers.at(-1)?.status).toBe(429)
  expect(sides[0]?.counted.every((count) => count > 0)).toBe(true)
})
