// Downloads of a real dataset, read back by other readers and held against its rows.

import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Download, DownloadFormat } from '../../src/training/download.ts'
import type { Training } from '../../src/training/service.ts'
import { createRowEncoder, type Frame } from '../../src/values/columns.ts'
import { createDataFolder } from '../data-folder.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

const everyTypeSql = `
SELECT i AS n,
  i % 2 = 0 AS flag,
  9007199254740993 + i AS large,
  CASE i WHEN 1 THEN 'NaN'::DOUBLE WHEN 2 THEN '-Infinity'::DOUBLE ELSE i / 7 END AS real,
  (i || '.05')::DECIMAL(12,2) AS price,
  (repeat('9', 30) || '.' || i)::DECIMAL(38,4) AS exact,
  CASE i WHEN 3 THEN '' WHEN 4 THEN NULL ELSE 'ü🙂 "' || i || '", ' || chr(10) END AS words,
  encode('ÿ' || i) AS bytes,
  DATE '1970-01-01' - i::INTEGER * 40 AS day,
  TIMESTAMP '1969-12-31 23:59:59.999999' + INTERVAL (i) HOUR AS moment,
  CASE i WHEN 5 THEN NULL ELSE [i, NULL, -i] END AS list,
  {'a b': i::BIGINT, 'c': [DATE '2024-02-29', NULL]} AS struct,
  CASE i WHEN 6 THEN NULL ELSE json_object('k', i, 'deep', json_array(1, 'x', NULL)) END AS json
FROM range(5000) r(i) ORDER BY i`

let folder: Awaited<ReturnType<typeof createDataFolder>>
let stack: TrainingStack
let training: Training
let datasetId: string
let rows: Frame

beforeAll(async () => {
  folder = await createDataFolder('training')
  stack = await openTrainingStack(folder.path)
  training = stack.training()
  const { dataset } = await training.queryTrain({
    sql: everyTypeSql,
    name: 'types',
    save: false,
    waitMs: 30_000,
  })
  datasetId = dataset.id
  rows = await training.rows(datasetId, { offset: 0, limit: 10_000 })
}, 180_000)
afterAll(async () => {
  await training?.close()
  await stack?.close()
  await folder?.remove()
})

const anyone = new AbortController().signal

function fileOf(format: DownloadFormat, id = datasetId, signal = anyone): Promise<Download> {
  return training.download(id, format, signal)
}

async function askDuckDb(sql: string) {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** The rows in DuckDB's own words, made by the statement itself. */
function casted(relation: string): string {
  return `SELECT n::INT AS n, flag::BOOLEAN AS flag, large::BIGINT AS large, price::DECIMAL(12,2) AS price, exact::DECIMAL(38,4) AS exact, words, day::DATE AS day, moment::TIMESTAMP AS moment FROM ${relation} ORDER BY n::INT`
}

describe('A download', () => {
  test('as Parquet is the file itself, which DuckDB reads', async () => {
    const download = await fileOf('parquet')
    expect(download).toEqual({
      path: join(stack.datasetsFolder, `${datasetId}.parquet`),
      contentType: 'application/vnd.apache.parquet',
      fileName: `${datasetId}.parquet`,
    })
    const path = join(stack.datasetsFolder, `${datasetId}.parquet`)
    const read = await askDuckDb(casted(`read_parquet('${path}')`))
    expect(read).toHaveLength(5000)
    expect(read).toEqual(await askDuckDb(casted(`(${everyTypeSql})`)))
  })

  test('as Parquet has the encodings alone that every reader knows', async () => {
    const path = join(stack.datasetsFolder, `${datasetId}.parquet`)
    const encodings = await askDuckDb(
      `SELECT DISTINCT unnest(string_split(encodings, ', ')) AS encoding FROM parquet_metadata('${path}')`,
    )
    const known = ['PLAIN', 'PLAIN_DICTIONARY', 'RLE', 'RLE_DICTIONARY']
    expect(known).toEqual(expect.arrayContaining(encodings.map(({ encoding }) => encoding)))
  })

  test('as CSV is read back by DuckDB as the same rows, empty text and null told apart', async () => {
    const { path, contentType, fileName } = await fileOf('csv')
    expect([contentType, fileName]).toEqual(['text/csv; charset=utf-8; header=present', `${datasetId}.csv`])
    const csv = `read_csv('${path}', header = true, all_varchar = true, allow_quoted_nulls = false, quote = '"', escape = '"', new_line = '\\r\\n')`
    const read = await askDuckDb(casted(csv))
    expect(read).toEqual(await askDuckDb(casted(`(${everyTypeSql})`)))
    expect(read[3]?.words).toBe('')
    expect(read[4]?.words).toBeNull()
  })

  test('as NDJSON holds the rows as JSON does everywhere', async () => {
    const { path, contentType } = await fileOf('ndjson')
    expect(contentType).toBe('application/x-ndjson')
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    expect(lines).toEqual(rows.rows.map(createRowEncoder(rows.columns)))
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({ n: 2, real: null, large: '9007199254740995' })
  })

  test('as Arrow keeps the values and the types', async () => {
    const { path, contentType } = await fileOf('arrow')
    expect(contentType).toBe('application/vnd.apache.arrow.file')
    const table = tableFromIPC(await readFile(path))
    expect(table.numRows).toBe(5000)
    const types = Object.fromEntries(table.schema.fields.map((field) => [field.name, String(field.type)]))
    expect(types).toMatchObject({
      flag: 'Bool',
      large: 'Int64',
      real: 'Float64',
      price: 'Decimal[12e+2]',
      exact: 'Decimal[38e+4]',
      words: 'Utf8',
      bytes: 'Binary',
      day: 'Date32<DAY>',
      moment: 'Timestamp<MICROSECOND, UTC>',
      struct: 'Struct<{a b:Int64, c:List<Date32<DAY>>}>',
      json: 'Utf8',
    })
    const frame = (name: string) => {
      const at = rows.columns.findIndex((column) => column.name === name)
      return rows.rows.map((row) => row[at])
    }
    expect([...(table.getChild('words') ?? [])]).toEqual(frame('words'))
    expect([...(table.getChild('large') ?? [])]).toEqual(
      frame('large').map((value) => (BigInt(Number(value)) === value ? value : BigInt(String(value)))),
    )
    expect([...(table.getChild('price') ?? [])].map((value) => Number(value) / 100)).toEqual(frame('price'))
    expect(table.getChild('words')?.nullCount).toBe(1)
    expect(table.getChild('list')?.nullCount).toBe(1)
  })

  test('asked for twice at once is made once, and is as old as its Parquet', async () => {
    const [one, two] = await Promise.all([fileOf('arrow'), fileOf('arrow')])
    expect(one).toEqual(two)
    const { path } = await fileOf('parquet')
    expect((await stat(one.path)).mtimeMs).toBeCloseTo((await stat(path)).mtimeMs, -1)
  })
})

test('when nobody waits for a file any more its making ends, and the next who asks has it made', async () => {
  const sql = "SELECT range AS n, repeat('x', 200) AS filler FROM range(200000)"
  const { dataset } = await training.queryTrain({ sql, name: 'large', save: false, waitMs: 30_000 })
  const leaving = new AbortController()
  const left = fileOf('ndjson', dataset.id, leaving.signal)
  const stays = fileOf('ndjson', dataset.id)
  leaving.abort(new Error('gone'))
  await expect(left).rejects.toThrow('gone')
  expect((await readFile((await stays).path, 'utf8')).split('\n')).toHaveLength(200_001)

  const alone = new AbortController()
  const given = fileOf('csv', dataset.id, alone.signal)
  alone.abort(new Error('gone'))
  await expect(given).rejects.toThrow('gone')
  const again = await fileOf('csv', dataset.id)
  expect((await readFile(again.path, 'utf8')).split('\r\n')).toHaveLength(200_002)
  const names = await readdir(dirname(again.path))
  expect(names.filter((name) => name.startsWith(dataset.id)).sort()).toEqual(
    ['csv', 'ndjson'].map((format) => `${dataset.id}.${format}`),
  )
})

test('A profile counts nulls and distinct values, and finds the least and the greatest', async () => {
  const profile = await training.profile(datasetId)
  const of = (name: string) => profile.find((column) => column.name === name)
  expect(profile.map(({ name, type }) => [name, type])).toEqual(
    rows.columns.map(({ name, type }) => [name, type]),
  )
  expect(of('n')).toMatchObject({ nulls: 0, min: 0, max: 4999 })
  expect(of('n')?.distinct).toBeGreaterThan(4500)
  expect(of('flag')).toMatchObject({ distinct: 2, min: false, max: true })
  expect(of('words')).toMatchObject({ nulls: 1, min: '' })
  expect(of('moment')).toMatchObject({ min: '1969-12-31T23:59:59.999999Z' })
  expect(of('list')).toMatchObject({ nulls: 1, min: null, max: null })
})

test('A dataset of an earlier start is still there after the next', async () => {
  const before = await readFile(join(stack.datasetsFolder, `${datasetId}.parquet`))
  await training.close()
  await stack.close()
  stack = await openTrainingStack(folder.path)
  training = stack.training()
  const page = await training.rows(datasetId, { offset: 0, limit: 10_000 })
  expect(page).toEqual(rows)
  expect(await readFile(join(stack.datasetsFolder, `${datasetId}.parquet`))).toEqual(before)
})
