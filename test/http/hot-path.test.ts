// The hot path answers as the full pipeline does, byte for byte, whatever realtime operation it is sent.

import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHotPath, type HotPath } from '../../src/http/hot-path/hot-path.ts'
import { knownAccepts } from '../../src/http/hot-path/negotiation.ts'
import { createCompiledOperations } from '../../src/http/hot-path/operations.ts'
import { holdSchema } from '../../src/schema/held.ts'
import { createSchema } from '../../src/schema/index.ts'
import { lookupFields } from '../../src/schema/lookup-fields.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { tries } from '../thorough.ts'
import { type Gateway, openGateway, type Services } from './gateway.ts'
import { type GeneratedRequest, generateOperations, type Ids } from './realtime-operations.ts'

const seed = Number(process.env.HOT_PATH_SEED ?? 20_261_123)
const operationCount = tries({ all: 1000, part: 300 })

const schema = createSchema({} as Services)
const holder = holdSchema({ schema, lookupFields, typed: new Map(), services: new Map() })
let gateway: Gateway
let hot: Awaited<ReturnType<Gateway['serve']>>
/** No request with a query string takes the hot path. */
const reference = '/graphql?by=yoga'
const { operations } = createMetrics()
let ids: Ids
/** The hot path by itself, to see what it takes. */
let probe: HotPath

beforeAll(async () => {
  gateway = await openGateway({ ETL_SOURCES: `${import.meta.dirname}/etl` })
  hot = await gateway.serve()
  probe = createHotPath({
    holder,
    services: gateway.services,
    trusted: { find: () => null },
    operations,
    log: pino({ level: 'silent' }),
  })
  ids = await saveQueries()
})

afterAll(async () => {
  await hot.close()
  await gateway.close()
})

async function saveQueries(): Promise<Ids> {
  const etlPath = (name: string) => `file:${import.meta.dirname}/etl/${name}`
  const save = async (sql: string, queryName: string) => {
    const { queryTrain } = await hot.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($sql: String!, $queryName: String!) { queryTrain(query: $sql, queryName: $queryName) { query { id } } }',
      { sql, queryName },
    )
    return queryTrain.query.id
  }
  const numbers = await save(
    `SELECT i AS n, i * 2 AS "10", i AS "2", 9007199254740993 + i AS big, NULL::DOUBLE AS none, 'é😀"\\' AS text,
       [i, NULL] AS list, {'b': i, '1': 'x'} AS fields, i / 0.0 AS infinite
     FROM range(8) r(i) UNION ALL SELECT 3, 1, 1, 1, 0.1, '', [], NULL, 1e300`,
    'numbers',
  )
  const texts = await save(
    "SELECT unnest(['', 'a', 'é', '日本', '😀', '\"', '\\', '__proto__']) AS name, 1 AS one",
    'texts',
  )
  return { numbers, texts, etlPath: etlPath('keep.sql'), failingEtlPath: etlPath('refuse.js') }
}

interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

const json = { 'content-type': 'application/json' }

async function send(
  url: string,
  body: BodyInit,
  headers: Record<string, string> = json,
  path = '/graphql',
): Promise<Answer> {
  const response = await fetch(url + path, { method: 'POST', headers, body })
  const { 'x-request-id': _, date: __, ...kept } = Object.fromEntries(response.headers)
  return { status: response.status, headers: kept, body: await response.text() }
}

/** The second time, when the hot path has had the chance to know the document. */
async function sendToBoth(body: BodyInit, headers?: Record<string, string>) {
  await send(hot.url, body, headers)
  return {
    fromHot: await send(hot.url, body, headers),
    fromReference: await send(hot.url, body, headers, reference),
  }
}

/** A failure is remembered for ten seconds: where they ended between the two, it was computed at another moment. */
async function answersOf(body: string) {
  const answers = await sendToBoth(body)
  return answers.fromHot.body === answers.fromReference.body ? answers : sendToBoth(body)
}

/** Whether the hot path by itself answers what the pipeline found valid. */
async function isTaken(request: GeneratedRequest): Promise<boolean> {
  probe.accept(request.query, holder.current.schema)
  const answer = probe.answer(request, { requestId: 'probe', identity: null })
  await answer
  return answer !== null
}

test(`${operationCount} generated operations are answered alike`, { timeout: 300_000 }, async () => {
  const operations = generateOperations(seed, ids)
  const counts = { valid: 0, failed: 0, failedValues: 0, taken: 0, takenAndFailed: 0 }
  async function compareNext() {
    for (
      let request = operations.next();
      !request.done && sent < operationCount;
      request = operations.next()
    ) {
      sent++
      const body = JSON.stringify(request.value)
      const { fromHot, fromReference } = await answersOf(body)
      expect(fromHot, body).toEqual(fromReference)
      const { data, errors } = JSON.parse(fromReference.body) as { data?: unknown; errors?: unknown }
      if (errors === undefined && fromReference.body.includes('"FAILED"')) counts.failedValues++
      if (errors === undefined) counts.valid++
      else counts.failed++
      if (data !== undefined && (await isTaken(request.value))) {
        counts.taken++
        if (errors !== undefined) counts.takenAndFailed++
      }
    }
  }
  let sent = 0
  // What is first looked up is read through; once it is online both see it there.
  await warmUp()
  await Promise.all(Array.from({ length: 8 }, compareNext))
  expect(sent).toBe(operationCount)
  // It is not the pipeline compared with itself. What asks for other fields, or by many conditions, is the pipeline's alone.
  expect(counts.taken).toBeGreaterThan(counts.valid * 0.9)
  expect(counts.takenAndFailed).toBeGreaterThan(operationCount * 0.02)
  expect(counts.failedValues).toBeGreaterThan(operationCount * 0.015)
  expect(counts.failed).toBeGreaterThan(operationCount * 0.1)
})

async function warmUp() {
  const operations = generateOperations(seed, ids)
  for (let i = 0; i < operationCount; i += 10) {
    const batch = Array.from({ length: 10 }, () => operations.next().value as GeneratedRequest)
    await Promise.all(batch.map((request) => send(hot.url, JSON.stringify(request), json, reference)))
  }
}

const lookup = `query ($id: ID!, $values: [String!]!) {
  queryRealtimeMany(queryId: $id, indexKey: "n", indexValues: $values) { rows status }
}`
const lookupOf = (values: unknown) =>
  JSON.stringify({ query: lookup, variables: { id: ids.numbers, values } })

describe('requests', () => {
  test.each([
    ...knownAccepts,
    'text/event-stream',
    'text/html;q=0.1, application/json',
    'image/png',
    'multipart/mixed',
  ])('that accept "%s" are answered alike', async (accept) => {
    const { fromHot, fromReference } = await sendToBoth(lookupOf(['1', '2']), { ...json, accept })
    expect(fromHot).toEqual(fromReference)
  })

  test.each([
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'APPLICATION/JSON',
    'application/graphql+json',
    'text/plain',
  ])('of type %s are answered alike', async (type) => {
    const { fromHot, fromReference } = await sendToBoth(lookupOf('1'), { 'content-type': type })
    expect(fromHot).toEqual(fromReference)
  })

  test('whose bytes are unusual are answered alike', async () => {
    await sendToBoth(lookupOf(['1']))
    const text = lookupOf(['1'])
    const bodies = [
      `\ufeff${text}`,
      ` ${text}\n`,
      `[${text}]`,
      text.slice(0, -1),
      '',
      'null',
      '7',
      '{}',
      text.replace('"1"', '12345678901234567890'),
      Buffer.from([...Buffer.from(text.slice(0, -4)), 0xff, ...Buffer.from(text.slice(-4))]),
      text.replace('"1"', '"\\ud800"'),
    ]
    for (const body of bodies) {
      const { fromHot, fromReference } = await sendToBoth(body)
      expect(fromHot, String(body)).toEqual(fromReference)
    }
  })

  test('whose lists cost too much are refused alike, on the limit and beyond', async () => {
    const fields =
      'a: rows b: rows c: rows d: rows e: rows f: rows g: rows h: rows i: rows j: rows k: rows l: rows'
    const query = lookup.replace('rows', `${fields} ${fields.replaceAll(':', 'x:')}`)
    for (const count of [10_000, 10_001, 20_001]) {
      for (const document of [query, lookup]) {
        const values = Array.from({ length: count }, () => '1')
        const body = JSON.stringify({ query: document, variables: { id: ids.numbers, values } })
        const { fromHot, fromReference } = await sendToBoth(body)
        expect(fromHot.status).toBe(fromReference.status)
        expect(fromHot.body === fromReference.body, `${count} values`).toBe(true)
      }
    }
  })
})

test('a failure that nobody foresaw is logged and masked as on the full pipeline', async () => {
  const lines: string[] = []
  const log = pino({ level: 'error' }, { write: (line) => lines.push(line) })
  const { realtime } = gateway.services
  const services = {
    ...gateway.services,
    realtime: {
      ...realtime,
      createLoader: () => ({ load: () => Promise.reject(new Error('password=hunter2')) }),
    },
  }
  const broken = await gateway.serve({ log, services })
  const first = await send(broken.url, lookupOf(['1']))
  const second = await send(broken.url, lookupOf(['1']))
  await broken.close()
  const withoutId = ({ body }: Answer) =>
    body.replace(/request [\w-]+/, '').replace(/"requestId":"[\w-]+"/, '')
  expect(withoutId(second)).toBe(withoutId(first))
  expect(second.body).toContain('Something went wrong')
  expect(lines).toHaveLength(2)
  expect(lines[1]).toContain('hunter2')
})

describe('compiled operations', () => {
  const vectors = { get: () => Promise.reject(new Error('nothing is looked up')) }

  test('are kept for documents that were found valid, and for no other', () => {
    const compiled = createCompiledOperations(holder, { operations, vectors })
    expect(compiled.find(lookup, null)).toBeNull()
    compiled.accept(lookup, schema)
    expect(compiled.find(lookup, null)).not.toBeNull()
    expect(compiled.find(lookup, 'Nobody')).toBeNull()
  })

  test('are made only for operations whose root fields are realtime lookups', () => {
    const compiled = createCompiledOperations(holder, { operations, vectors })
    const row = 'queryRealtime(queryId: "q", indexKey: "k", indexValue: "v") { rows }'
    const others = [
      `{ ${row} savedQueries { totalCount } }`,
      `{ ${row} __schema { queryType { name } } }`,
      `query @nonsense { ${row} }`,
      'subscription { featureUpdates(queryId: "q", indexKey: "k", indexValue: "Realtime") { rows } }',
      `query ($a: Boolean!, $b: Boolean!, $c: Boolean!, $d: Boolean!, $e: Boolean!) { ${row.replace(
        'rows',
        ['a', 'b', 'c', 'd', 'e'].map((name) => `rows @skip(if: $${name})`).join(' '),
      )} }`,
    ]
    for (const document of others) {
      compiled.accept(document, schema)
      expect(compiled.find(document, null), document).toBeNull()
    }
  })

  test('are of one schema: with the next all are made anew, and what was valid before is not by that', () => {
    const own = holdSchema({ schema, lookupFields, typed: new Map(), services: new Map() })
    const compiled = createCompiledOperations(own, { operations, vectors })
    compiled.accept(lookup, schema)
    expect(compiled.find(lookup, null)).not.toBeNull()
    const next = createSchema({} as Services)
    own.swap({ schema: next, lookupFields, typed: new Map(), services: new Map() })
    expect(compiled.find(lookup, null)).toBeNull()
    compiled.accept(lookup, schema)
    expect(compiled.find(lookup, null)).toBeNull()
    compiled.accept(lookup, next)
    expect(compiled.find(lookup, null)).not.toBeNull()
    own.swap({ schema: next, lookupFields: new Map(), typed: new Map(), services: new Map() })
    compiled.accept(lookup, next)
    expect(compiled.find(lookup, null)).toBeNull()
  })

  test('of ever new documents stay few, and those in use stay', () => {
    const compiled = createCompiledOperations(holder, { operations, vectors })
    compiled.accept(lookup, schema)
    for (let i = 0; i < 5_000; i++) {
      compiled.accept(`${lookup} # ${i} ${'x'.repeat(i % 3_000)}`, schema)
      compiled.find(lookup, null)
    }
    compiled.accept(`${lookup} # ${'x'.repeat(20_000)}`, schema)
    expect(compiled.size.documents).toBeLessThanOrEqual(1_000)
    expect(compiled.size.characters).toBeLessThanOrEqual(512 * 1024)
    expect(compiled.find(lookup, null)).not.toBeNull()
  })
})

test('what every answer carries is alike: for pages of other sites, and of what a caller has left, each request counted once', async () => {
  const config = {
    ...gateway.config,
    corsOrigins: ['https://named.example'],
    rateLimit: { requests: 20, windowMs: 86_400_000 },
  }
  const paths = ['/graphql', reference]
  const bodies = [lookupOf(['1']), lookupOf(['1', '2']), '{"query": 7}', 'nonsense', lookupOf(['3'])]
  const pages = [undefined, 'https://named.example', 'https://other.example']
  const answers = await Promise.all(
    paths.map(async (path) => {
      const { url, close } = await gateway.serve({ config })
      const all: Answer[] = []
      for (let i = 0; i < 25; i++) {
        const origin = pages[i % pages.length]
        const headers = { ...json, ...(origin && { origin }) }
        const answer = await send(url, bodies[i % bodies.length] ?? '', headers, path)
        // A limit's window is told in seconds left.
        const { ratelimit = '', 'retry-after': _, ...rest } = answer.headers
        const body = answer.status === 429 ? '' : answer.body
        all.push({ ...answer, body, headers: { ...rest, ratelimit: ratelimit.replace(/t=\d+/, 't') } })
      }
      await close()
      return all
    }),
  )
  expect(answers[0]).toEqual(answers[1])
  expect(answers[0]?.map(({ status }) => status === 429)).toEqual(
    Array.from({ length: 25 }, (_, i) => i >= 20),
  )
  expect(answers[0]?.[1]?.headers).toMatchObject({ 'access-control-allow-origin': 'https://named.example' })
})
