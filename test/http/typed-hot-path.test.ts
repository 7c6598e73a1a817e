// The hot path answers operations on typed features as the full pipeline does, byte for byte.

import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHotPath } from '../../src/http/hot-path/hot-path.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { tries } from '../thorough.ts'
import type { GeneratedRequest } from './realtime-operations.ts'
import { generateTypedOperations } from './typed-operations.ts'
import { openTypedGateway, type TypedGateway } from './typed-views.ts'

const seed = Number(process.env.HOT_PATH_SEED ?? 20_261_130)
const operationCount = tries({ all: 800, part: 300 })
const atOnce = 8

let opened: TypedGateway
let server: TypedGateway['server']

beforeAll(async () => {
  opened = await openTypedGateway()
  server = opened.server
})

afterAll(() => opened?.close())

async function send(path: string, body: string) {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  const { 'x-request-id': _, date: __, ...headers } = Object.fromEntries(response.headers)
  return { status: response.status, headers, body: await response.text() }
}

/** No request with a query string takes the hot path; the first answer is what it learns from. */
async function answersOf(body: string) {
  await send('/graphql', body)
  return { fromHot: await send('/graphql', body), fromReference: await send('/graphql?by=yoga', body) }
}

function withoutAsOf({ body, headers, ...rest }: Awaited<ReturnType<typeof send>>) {
  return { ...rest, headers, body: body.replace(/"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"/g, '"at"') }
}

/**
 * Of several fields that fail, one of which takes the data, some come too late to be told; by which is a matter of
 * microtasks, from one run of graphql-js to the next too.
 */
function tellSameLoss(one: string, other: string): boolean {
  const [a, b] = [one, other].map((body) => JSON.parse(body) as { data?: unknown; errors?: unknown[] })
  if (a?.data !== null || b?.data !== null) return false
  const [fewer = [], more = []] = [a.errors ?? [], b.errors ?? []]
    .map((errors) => errors.map((error) => JSON.stringify(error)))
    .sort((x, y) => x.length - y.length)
  return fewer.length > 0 && more.length > 1 && fewer.every((error) => more.includes(error))
}

async function inTurns(count: number, each: (request: GeneratedRequest) => Promise<void>) {
  const operations = generateTypedOperations(seed, server.schema.current.schema)
  let sent = 0
  async function next(): Promise<void> {
    while (sent < count) {
      sent++
      const request = operations.next()
      if (!request.done) await each(request.value)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, next))
}

test(`${operationCount} generated operations are answered alike`, { timeout: 400_000 }, async () => {
  const { current } = server.schema
  const probe = createHotPath({
    holder: { current },
    services: opened.gateway.services,
    trusted: { find: () => null },
    operations: createMetrics().operations,
    log: pino({ level: 'silent' }),
  })
  const counts = { valid: 0, failed: 0, taken: 0, takenAndFailed: 0, withData: 0 }
  // What is first looked up is read through; once it is online both see it there.
  await inTurns(operationCount, async (request) => {
    await send('/graphql?by=yoga', JSON.stringify(request))
  })
  await inTurns(operationCount, async (request) => {
    const body = JSON.stringify(request)
    let { fromHot, fromReference } = await answersOf(body)
    // A failure is remembered for ten seconds, and computed at another moment after them.
    if (fromHot.body !== fromReference.body && /refused|FAILED/.test(fromReference.body))
      ({ fromHot, fromReference } = await answersOf(body))
    // Of a view in time it is the moment of asking.
    if (!tellSameLoss(fromHot.body, fromReference.body))
      expect(withoutAsOf(fromHot), body).toEqual(withoutAsOf(fromReference))
    const { data, errors } = JSON.parse(fromReference.body) as { data?: unknown; errors?: unknown }
    if (errors === undefined) counts.valid++
    else counts.failed++
    if (data != null && errors !== undefined) counts.withData++
    if (data === undefined) return
    probe.accept(request.query, current.schema)
    const answer = probe.answer(request, { requestId: 'probe', identity: null })
    await answer
    if (answer === null) return
    counts.taken++
    if (errors !== undefined) counts.takenAndFailed++
  })
  console.info(counts)
  // It is not the pipeline compared with itself.
  expect(counts.valid).toBeGreaterThan(operationCount * 0.4)
  expect(counts.taken).toBeGreaterThan(counts.valid * 0.9)
  expect(counts.takenAndFailed).toBeGreaterThan(operationCount * 0.01)
})
