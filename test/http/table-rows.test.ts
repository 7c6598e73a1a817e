// Rows into tables over REST: every form with every type, what does not fit told by row and column, retries, and bodies that break off or lie.

import { once } from 'node:events'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromIPC, tableToIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { encodeArrow } from '../../src/training/formats/arrow.ts'
import type { Column, Row } from '../../src/values/columns.ts'
import { createDataFolder } from '../data-folder.ts'
import { testLog } from '../parts.ts'
import { createClient } from './client.ts'

const folder = await createDataFolder('table-rows')
const files = join(folder.path, 'made')
let app: Awaited<ReturnType<typeof createApp>>
let client: ReturnType<typeof createClient>
let url: string
let engine: Awaited<ReturnType<DuckDBInstance['connect']>>

beforeAll(async () => {
  await mkdir(files, { recursive: true })
  app = await createApp(
    parseConfig({ PORT: '0', DATA_DIR: folder.path, UPLOAD_MAX_MB: '2', STALL_TIMEOUT_SECONDS: '5' }),
    testLog(),
    { metrics: createMetrics() },
  )
  url = (await app.listen()).url
  client = createClient(url)
  engine = await (await DuckDBInstance.create(':memory:')).connect()
  await engine.run("SET TimeZone = 'UTC'")
})

afterAll(async () => {
  engine?.closeSync()
  await app?.close()
  await folder.remove()
})

const types = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  parquet: 'application/vnd.apache.parquet',
  arrow: 'application/vnd.apache.arrow.stream',
} as const
type Format = keyof typeof types

async function post(
  table: string,
  format: Format | string,
  body: BodyInit,
  { query = '?wait=true&wait_ms=60000', ...headers }: Record<string, string> = {},
) {
  const response = await fetch(`${url}/tables/${encodeURIComponent(table)}/rows${query}`, {
    method: 'POST',
    headers: { 'content-type': types[format as Format] ?? format, ...headers },
    body,
  })
  return {
    status: response.status,
    location: response.headers.get('location'),
    body: (await response.json()) as Record<string, unknown>,
  }
}

let fileCount = 0
async function parquet(select: string): Promise<Buffer> {
  const path = join(files, `${fileCount++}.parquet`)
  await engine.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
  return readFile(path)
}

async function arrow(columns: readonly Column[], rows: readonly Row[]): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  async function* batches() {
    yield rows
  }
  for await (const piece of encodeArrow(columns, batches())) pieces.push(piece)
  return Buffer.from(tableToIPC(tableFromIPC(Buffer.concat(pieces)), 'stream'))
}

let tableCount = 0
async function makeTable(columns: string): Promise<string> {
  const name = `t${tableCount++}`
  await client.data(`mutation { createTable(name: "${name}", columns: [${columns}]) { name } }`)
  return name
}

async function read(table: string, columns = '*'): Promise<Record<string, unknown>[]> {
  const { body } = await client.rest('POST', '/query/train?save=false', {
    query: `SELECT ${columns} FROM feature_store.${table}`,
    query_name: 'all',
  })
  return body.data as Record<string, unknown>[]
}

const uploads = () => readdir(join(folder.path, 'datasets', 'uploads'))

const everyType = `{ name: "id", type: INT32, nullable: false }
  { name: "b", type: BOOLEAN } { name: "i", type: INT64 } { name: "f", type: FLOAT64 }
  { name: "d", type: DECIMAL, storage: "DECIMAL(18,3)" } { name: "s", type: STRING } { name: "x", type: BYTES }
  { name: "day", type: DATE } { name: "at", type: TIMESTAMP }
  { name: "l", type: LIST, storage: "INTEGER[]" } { name: "o", type: STRUCT, storage: "STRUCT(a INTEGER, b VARCHAR)" }
  { name: "j", type: JSON }`

const full = {
  id: 1,
  b: true,
  i: '9007199254740993',
  f: 1.5e300,
  d: 12.345,
  s: 'a,"b"\n🦊 \\N',
  x: 'AP8=',
  day: '2026-02-28',
  at: '2026-11-23T09:30:00.123456Z',
  l: [1, null, 3],
  o: { a: 1, b: 'x' },
  j: { deep: [1, { y: null }] },
}
const none = Object.fromEntries(Object.keys(full).map((name) => [name, name === 'id' ? 2 : null]))
const expected = [full, { ...none, s: '' }, { ...none, id: 3 }]

const csvCell = (value: unknown) =>
  value === null
    ? ''
    : `"${String(typeof value === 'object' ? JSON.stringify(value) : value).replaceAll('"', '""')}"`

const select = `SELECT * FROM (VALUES
  (1, true, 9007199254740993, 1.5e300::DOUBLE, 12.345::DECIMAL(18,3), 'a,"b"' || chr(10) || '🦊 \\N', '\\x00\\xFF'::BLOB,
    DATE '2026-02-28', TIMESTAMP '2026-11-23 09:30:00.123456', [1, NULL, 3], {'a': 1, 'b': 'x'}, '{"deep":[1,{"y":null}]}'),
  (2, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)) t(id, b, i, f, d, s, x, day, "at", l, o, j)`

const arrowColumns: Column[] = [
  { name: 'id', type: 'INT32', nullable: false, storage: 'INTEGER' },
  { name: 'b', type: 'BOOLEAN', nullable: true, storage: 'BOOLEAN' },
  { name: 'i', type: 'INT64', nullable: true, storage: 'BIGINT' },
  { name: 'f', type: 'FLOAT64', nullable: true, storage: 'DOUBLE' },
  { name: 'd', type: 'DECIMAL', nullable: true, storage: 'DECIMAL(18,3)' },
  { name: 's', type: 'STRING', nullable: true, storage: 'VARCHAR' },
  { name: 'x', type: 'BYTES', nullable: true, storage: 'BLOB' },
  { name: 'day', type: 'DATE', nullable: true, storage: 'DATE' },
  { name: 'at', type: 'TIMESTAMP', nullable: true, storage: 'TIMESTAMP' },
  { name: 'l', type: 'LIST', nullable: true, storage: 'INTEGER[]' },
  { name: 'o', type: 'STRUCT', nullable: true, storage: 'STRUCT(a INTEGER, b VARCHAR)' },
  { name: 'j', type: 'JSON', nullable: true, storage: 'JSON' },
]
const arrowRow: Row = [
  1,
  true,
  9007199254740993n,
  1.5e300,
  12.345,
  full.s,
  new Uint8Array([0, 255]),
  full.day,
  full.at,
  full.l,
  full.o,
  full.j,
]
const empties = (id: number, s: string | null): Row =>
  arrowColumns.map(({ name }) => (name === 'id' ? id : name === 's' ? s : null))

const bodies: Record<Format, () => Promise<string | Buffer>> = {
  json: async () => ` \n${JSON.stringify(expected, null, 2)}\n`,
  ndjson: async () => `\ufeff${expected.map((row) => JSON.stringify(row)).join('\r\n')}\n\n`,
  csv: async () =>
    [Object.keys(full).join(','), ...expected.map((row) => Object.values(row).map(csvCell).join(','))].join(
      '\r\n',
    ),
  parquet: () => parquet(select),
  arrow: () => arrow(arrowColumns, [arrowRow, empties(2, ''), empties(3, null)]),
}

describe('every form', () => {
  test.each(Object.keys(types) as Format[])('%s brings every type, nulls and empty texts', async (format) => {
    const table = await makeTable(everyType)
    const answer = await post(table, format, (await bodies[format]()) as BodyInit)
    expect(answer).toMatchObject({ status: 200, body: { rows: 3 } })
    expect(await read(table)).toEqual(expected)
    const { body } = await client.rest('GET', String(answer.location))
    expect(body).toMatchObject({ status: 'SUCCEEDED', table, total: 3, done: 3, error: null })
  })

  test('is answered at once without wait, and its place is given', async () => {
    const table = await makeTable('{ name: "a", type: INT32 }')
    const answer = await post(table, 'json', '[{"a": 1}]', { query: '' })
    expect(answer).toMatchObject({ status: 202, location: `/jobs/${answer.body.job_id}` })
    await app.services.publishing.wait(String(answer.body.job_id))
    expect(await read(table)).toEqual([{ a: 1 }])
    expect(await uploads()).toEqual([])
  })
})

const two = '{ name: "k", type: STRING, nullable: false } { name: "v", type: FLOAT64 }'

describe('what does not fit', () => {
  const faulty: [string, Format, () => Promise<string | Buffer>, RegExp][] = [
    [
      'a text for a number in JSON',
      'json',
      async () => '[{"k":"a","v":1},{"k":"b","v":"1"}]',
      /row 1, column "v": given the text "1"/,
    ],
    [
      'a long whole number',
      'ndjson',
      async () => '{"k":"a","v":809191427645181212}',
      /row 0, column "v": given the number 809191427645181212, expected a finite number/,
    ],
    [
      'a null where none may be',
      'ndjson',
      async () => '{"k":"a"}\n{"v":1}',
      /row 1, column "k": given nothing/,
    ],
    [
      'an unknown column in CSV',
      'csv',
      async () => 'k,w\na,1\n',
      /row 0, column "w": given a column that the table does not have, expected one of k, v/,
    ],
    [
      'a text for a number in CSV',
      'csv',
      async () => 'k,v\na,1.5\nb,x\n',
      /row 1, column "v": given the text "x"/,
    ],
    [
      'a text for a number in Parquet',
      'parquet',
      () => parquet(`SELECT 'a' AS k, '1.5' AS v`),
      /row 0, column "v": given the text "1.5"/,
    ],
    [
      'a whole number that is rounded',
      'parquet',
      () => parquet(`SELECT 'k' || i AS k, (2::BIGINT ** 53)::BIGINT + i AS v FROM range(2) r(i)`),
      /1 fault in 2 rows .*row 1, column "v": given the BIGINT 9007199254740993/,
    ],
    [
      'a null in Parquet',
      'parquet',
      () => parquet(`SELECT CASE WHEN i = 70000 THEN NULL ELSE 'k' END AS k FROM range(80000) r(i)`),
      /row 70000, column "k": given nothing/,
    ],
    [
      'a missing column in Parquet',
      'parquet',
      () => parquet('SELECT 1.5::DOUBLE AS v'),
      /column "k": given nothing/,
    ],
    [
      'an unknown column in Parquet',
      'parquet',
      () => parquet(`SELECT 'a' AS k, 1 AS "File_Row_Number"`),
      /column "File_Row_Number": given a column that the table does not have/,
    ],
    [
      'a number for a text in Arrow',
      'arrow',
      () => arrow([{ name: 'k', type: 'INT32', nullable: true, storage: 'INTEGER' }], [[null], [7]]),
      /row 1, column "k": given the INTEGER 7, expected text/,
    ],
  ]

  test.each(faulty)('%s is told, and nothing is written', async (_name, format, body, message) => {
    const table = await makeTable(two)
    const answer = await post(table, format, (await body()) as BodyInit)
    expect(answer.status).toBe(400)
    expect(answer.body.reason).toMatch(message)
    expect(await read(table)).toEqual([])
    expect(await uploads()).toEqual([])
  })

  const unreadable: [string, Format, string | Buffer, RegExp][] = [
    ['JSON that is no array', 'json', '{"k":"a"}', /does not begin with \[/],
    ['JSON that breaks off', 'json', '[{"k":"a"}', /ends before its last bracket, in row 0/],
    ['JSON without a comma', 'json', '[{"k":"a"} {"k":"b"}]', /Row 0 is no JSON/],
    ['JSON with a comma too many', 'json', '[{"k":"a"},]', /row 1 is missing/],
    ['JSON with something behind it', 'json', '[{"k":"a"}] x', /behind its end/],
    ['a line that is no JSON', 'ndjson', '{"k":"a"}\nnope', /Line 2 of the body is no JSON/],
    ['CSV of uneven rows', 'csv', 'k,v\na,1,2\n', /Row 0 of the body has 3 fields, and its header 2/],
    ['CSV with a column twice', 'csv', 'k,k\na,b\n', /"k" comes twice/],
    ['CSV that ends within quotes', 'csv', 'k\n"a', /ends within quotes/],
    ['CSV that is no UTF-8', 'csv', Buffer.from([0x6b, 0x0a, 0xff]), /no UTF-8/],
    ['CSV that says to be Parquet', 'parquet', 'k,v\na,1\n', /could not be read as a Parquet file/],
    ['JSON that says to be Arrow', 'arrow', '[{"k":"a"}]', /could not be read as an Arrow IPC stream/],
    ['no rows', 'json', '[]', /holds no rows/],
    ['nothing', 'ndjson', '', /body is empty/],
  ]

  test.each(unreadable)('%s is told', async (_name, format, body, message) => {
    const table = await makeTable(two)
    const answer = await post(table, format, body as BodyInit)
    expect([answer.status, answer.body.reason]).toEqual([400, expect.stringMatching(message)])
    expect(String(answer.body.reason)).not.toContain(folder.path)
    expect(await uploads()).toEqual([])
  })

  test('a table, a form and an encoding that are not known', async () => {
    const table = await makeTable(two)
    expect((await post('nowhere', 'json', '[]')).body.reason).toMatch(/no table "nowhere"/)
    expect((await post(table, 'application/xml', '<a/>')).body.reason).toMatch(
      /send them as application\/json, /,
    )
    expect((await post(table, 'json', '[]', { 'content-encoding': 'gzip' })).body.reason).toMatch(
      /Content-Encoding gzip/,
    )
  })
})

describe('defaults', () => {
  test('fill columns that a file or a row leaves out', async () => {
    const table = await makeTable(two)
    for (const [format, body] of [
      ['json', '[{"k":"a"},{"k":"b","v":2}]'],
      ['csv', 'k\nc\n'],
      ['parquet', await parquet(`SELECT 'd' AS k`)],
    ] as const)
      expect(await post(table, format, body as BodyInit)).toMatchObject({ status: 200 })
    expect(await read(table, 'k, v')).toEqual([
      { k: 'a', v: null },
      { k: 'b', v: 2 },
      { k: 'c', v: null },
      { k: 'd', v: null },
    ])
  })
})

describe('a retry', () => {
  test('under the same key is the same job, however many at once', async () => {
    const table = await makeTable(two)
    const send = (body = '[{"k":"a"}]', key = '"one"') =>
      post(table, 'json', body, { 'idempotency-key': key })
    const answers = await Promise.all(Array.from({ length: 5 }, () => send()))
    expect(new Set(answers.map(({ body }) => body.job_id)).size).toBe(1)
    expect((await send('[{"k":"a"}]', 'one')).body.job_id).toBe(answers[0]?.body.job_id)
    expect(await read(table, 'k')).toEqual([{ k: 'a' }])
    expect(await send('[{"k":"b"}]')).toMatchObject({ status: 409, body: { code: 'CONFLICT' } })
    expect(await uploads()).toEqual([])
  })
})

describe('a body', () => {
  test('that is longer than UPLOAD_MAX_MB is refused, said so or not', async () => {
    const table = await makeTable(two)
    const long = `[{"k":"${'x'.repeat(3 * 1024 * 1024)}"}]`
    async function* pieces() {
      for (let at = 0; at < long.length; at += 65_536) yield Buffer.from(long.slice(at, at + 65_536))
    }
    const said = await post(table, 'json', long)
    expect(said).toMatchObject({
      status: 413,
      body: { reason: expect.stringMatching(/2 MB.*UPLOAD_MAX_MB/) },
    })
    const response = await fetch(`${url}/tables/${table}/rows`, {
      method: 'POST',
      headers: { 'content-type': types.json },
      body: pieces() as unknown as BodyInit,
      duplex: 'half',
    } as RequestInit)
    expect(response.status).toBe(413)
    expect(await uploads()).toEqual([])
  })

  test('of a few bytes that stand for too many values is refused', async () => {
    const table = await makeTable(two)
    const bomb = await parquet(`SELECT 'a' AS k, 1.5::DOUBLE AS v FROM range(2_000_000)`)
    expect(bomb.length).toBeLessThan(1024 * 1024)
    const answer = await post(table, 'parquet', bomb as unknown as BodyInit)
    expect(answer).toMatchObject({ status: 413, body: { code: 'TOO_LARGE' } })
  })

  async function begin(table: string) {
    const { hostname, port } = new URL(url)
    const sending = request({
      method: 'POST',
      hostname,
      port,
      path: `/tables/${table}/rows`,
      headers: { 'content-type': types.json, 'content-length': 1000 },
    })
    sending.on('error', () => undefined)
    sending.write('[{"k":"a"},')
    await expect.poll(uploads).toHaveLength(1)
    return sending
  }

  test('whose client leaves in its middle leaves nothing', async () => {
    const sending = await begin(await makeTable(two))
    sending.destroy()
    await expect.poll(uploads).toEqual([])
  })

  test('that stops in its middle is not waited for any longer than STALL_TIMEOUT_SECONDS', async () => {
    const sending = await begin(await makeTable(two))
    const [response] = await once(sending, 'response')
    expect(response.statusCode).toBe(504)
    sending.destroy()
    expect(await uploads()).toEqual([])
  })
})

test('rows are served by key once the job is done', async () => {
  const table = await makeTable(two)
  const sql = `SELECT k, v FROM feature_store.${table}`
  const { queryTrain } = await client.data<{ queryTrain: { query: { id: string } } }>(
    `mutation { queryTrain(query: "${sql}", queryName: "${table}") { query { id } } }`,
  )
  const { id } = queryTrain.query
  await client.data(
    `mutation { createFeatureView(name: "${table}", queryId: "${id}", indexKey: "k") { id } }`,
  )
  for (const [format, body, v] of [
    ['parquet', await parquet(`SELECT 'a' AS k, 1::INTEGER AS v`), 1],
    ['csv', 'k,v\na,2\n', 2],
  ] as const) {
    expect(await post(table, format, body as BodyInit)).toMatchObject({ status: 200 })
    const look = `{ queryRealtime(queryId: "${id}", indexKey: "k", indexValue: "a") { status rows } }`
    const { queryRealtime } = await client.data<{ queryRealtime: { status: string; rows: unknown[] } }>(look)
    expect(queryRealtime.status).toBe('FRESH')
    expect(queryRealtime.rows).toContainEqual({ k: 'a', v })
  }
})
