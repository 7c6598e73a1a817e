// ETLs whose results are too much for a gateway that answers others meanwhile: each is told its limit, and nobody waits.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { crowding } from '../crowding.ts'
import { createFolder } from '../servers/child.ts'
import { openTarget, type Target } from './gateway.ts'

let folder: Awaited<ReturnType<typeof createFolder>>
let target: Target
let queryId: string
let deepId: string
let files = 0

beforeAll(async () => {
  folder = await createFolder('attack-etl-limits')
  await mkdir(join(folder.path, 'etl'))
  target = await openTarget({ ETL_SOURCES: join(folder.path, 'etl'), ETL_TIMEOUT_MS: '20000' })
  queryId = await saveQuery('rows', `SELECT 'k' AS k, 1 AS n`)
  const nested = `(repeat('[', 1000) || repeat(']', 1000))::JSON`
  deepId = await saveQuery('deep', `SELECT 'k' AS k, ${nested} AS doc`)
})

afterAll(async () => {
  await target?.close()
  await folder?.remove()
})

async function saveQuery(name: string, sql: string): Promise<string> {
  const { queryTrain } = await target.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } } }',
    { sql, name },
  )
  return queryTrain.query.id
}

async function run(id: string, source: string) {
  const path = join(folder.path, 'etl', `limit-${files++}.js`)
  await writeFile(path, source)
  const { data, errors } = await target.graphql(
    `query ($id: ID!, $path: String!) {
      extractRealtime(queryId: $id, etlPath: $path, indexKey: "k", indexValue: "k") { error { code message } }
    }`,
    { id, path: `file:${path}` },
  )
  const [refused] = errors ?? []
  if (refused !== undefined) return { code: refused.extensions.code, message: refused.message }
  const found = data?.extractRealtime as { error: { code: string; message: string } | null } | undefined
  return found?.error ?? { code: 'OK', message: '' }
}

/** While the work lasts: 200 lookups a second by others, and how long the slowest answer about health took. */
async function besideLookups<T>(work: () => Promise<T>) {
  const underway = new Set<Promise<unknown>>()
  const lookUp = () => {
    if (underway.size >= 100) return
    const one = target.graphql(
      'query ($id: ID!) { queryRealtime(queryId: $id, indexKey: "k", indexValue: "k") { status } }',
      { id: queryId },
    )
    const settled = one.catch(() => undefined).finally(() => underway.delete(settled))
    underway.add(settled)
  }
  const load = setInterval(() => {
    for (let i = 0; i < 2; i++) lookUp()
  }, 10)
  let isOver = false
  const health = (async () => {
    let slowestMs = 0
    while (!isOver) {
      const startedAt = performance.now()
      expect((await fetch(`${target.url}/healthz`)).status).toBe(200)
      slowestMs = Math.max(slowestMs, performance.now() - startedAt)
      await sleep(10)
    }
    return slowestMs
  })()
  try {
    const result = await work()
    isOver = true
    return { result, slowestMs: await health }
  } finally {
    isOver = true
    clearInterval(load)
    await Promise.all(underway)
  }
}

const json = 'export const columns = { v: "JSON" }\n'
const declared = (type: string) => `export const columns = { v: "${type}" }\n`
const transform = (body: string) => `export function transform(row) { ${body} }`

describe('others are answered within seconds beside', () => {
  test.each<[name: string, source: string, code: RegExp, message: RegExp]>([
    [
      '300,000 columns',
      transform('const o = {}; for (let i = 0; i < 300000; i++) o["c" + i] = i; return o'),
      /^ETL_FAILED$/,
      /more than 10000 columns/,
    ],
    [
      'an integer of nine million digits',
      `${json}${transform('return { v: (1n << 30000000n) - 1n }')}`,
      /^ETL_FAILED$/,
      /more than 100 digits/,
    ],
    [
      'many integers of a hundred digits',
      `${json}${transform('return { v: Array.from({ length: 90000 }, () => 10n ** 99n) }')}`,
      /^OK$/,
      /^$/,
    ],
    ...['DECIMAL', 'TIMESTAMP', 'DATE', 'INT64'].map((type): [string, string, RegExp, RegExp] => [
      `a ${type} of 20 million digits`,
      `${declared(type)}${transform('return { v: "9".repeat(2e7) }')}`,
      /^ETL_FAILED$/,
      /is the text "9999.*, not /,
    ]),
    [
      'an object of 300,000 fields',
      transform('const o = {}; for (let i = 0; i < 300000; i++) o["c" + i] = i; return { o }'),
      /^ETL_FAILED$/,
      /column "o".*more than 100000 values/,
    ],
    [
      'JSON that is nested 3,000 deep',
      `${json}${transform('let v = 1; for (let i = 0; i < 3000; i++) v = i % 2 ? [v] : { v }; return { v }')}`,
      /^ETL_FAILED$/,
      /nested deeper than 64 levels/,
    ],
    [
      'objects that each have names of their own',
      `${json}${transform('return { v: Array.from({ length: 49000 }, (_, i) => ({ ["name" + i]: i })) }')}`,
      /^OK$/,
      /^$/,
    ],
    [
      '300,000 rows of one index value',
      'export function extract() { return Array.from({ length: 300000 }, (_, i) => ({ a: i, b: "text" })) }',
      /^(OK|TOO_LARGE)$/,
      /^/,
    ],
    [
      'rows of 100 MB in all',
      'export function extract() { return Array.from({ length: 100 }, () => ({ a: "x".repeat(1e6) })) }',
      /^TOO_LARGE$/,
      /more than 64000000 characters/,
    ],
    [
      'rows of nine thousand columns',
      'export function extract() { const o = {}; for (let i = 0; i < 9000; i++) o["c" + i] = i; return Array.from({ length: 50 }, () => o) }',
      /^(OK|TOO_LARGE)$/,
      /^/,
    ],
  ])('%s', { timeout: 120_000 }, async (_name, source, code, message) => {
    const { result, slowestMs } = await besideLookups(() => run(queryId, source))
    expect(result.code).toMatch(code)
    expect(result.message).toMatch(message)
    expect(slowestMs).toBeLessThan(5000 * Math.min(crowding(), 4))
  })

  test('JSON of the warehouse that is nested 1,000 deep', { timeout: 120_000 }, async () => {
    const { result, slowestMs } = await besideLookups(() =>
      run(deepId, transform('return { k: row.k, v: JSON.stringify(row.doc).length }')),
    )
    expect(result.code).toBe('ETL_FAILED')
    expect(result.message).toMatch(/nested deeper than 500 levels/)
    expect(slowestMs).toBeLessThan(5000 * Math.min(crowding(), 4))
  })
})
