// Downloads' formats, read back by the readers that people use.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeArrow } from '../../src/training/formats/arrow.ts'
import { encodeCsv } from '../../src/training/formats/csv.ts'
import { encodeNdjson } from '../../src/training/formats/ndjson.ts'
import type { Column, ColumnType, Row } from '../../src/values/columns.ts'
import { parseStorage } from '../../src/values/storage-text.ts'

function column(name: string, type: ColumnType, storage: string): Column {
  return { name, type, nullable: true, storage }
}

const columns = [
  column('flag', 'BOOLEAN', 'BOOLEAN'),
  column('small', 'INT32', 'INTEGER'),
  column('large', 'INT64', 'BIGINT'),
  column('real', 'FLOAT64', 'DOUBLE'),
  column('price', 'DECIMAL', 'DECIMAL(38,3)'),
  column('a "text", so', 'STRING', 'VARCHAR'),
  column('bytes', 'BYTES', 'BLOB'),
  column('day', 'DATE', 'DATE'),
  column('moment', 'TIMESTAMP', 'TIMESTAMP'),
  column('list', 'LIST', 'DECIMAL(9,2)[]'),
  column('struct', 'STRUCT', 'STRUCT("a b" BIGINT, c TIMESTAMP[], d STRUCT(e VARCHAR))'),
  column('json', 'JSON', 'JSON'),
]

const rows: Row[] = [
  [
    true,
    -2147483648,
    9223372036854775807n,
    0.1,
    '12345678901234567890123456789012345.678',
    ' "quoted", two\r\nlines, ümläut 🙂 ',
    new Uint8Array([0, 255, 10]),
    '1969-12-31',
    '2024-02-29T23:59:59.123456Z',
    [1.25, null, -0.5],
    { 'a b': 9007199254740993n, c: ['1969-12-31T23:59:59.999999Z', null], d: { e: '' } },
    { k: [1, 'two', null] },
  ],
  [
    false,
    7,
    -5,
    Number.NaN,
    -1.5,
    '',
    new Uint8Array(),
    '0001-01-01',
    '1969-12-31T23:59:59.5Z',
    [],
    { 'a b': null, c: [], d: null },
    'text',
  ],
  [null, null, null, Number.POSITIVE_INFINITY, 0, 'NULL', null, null, null, null, null, false],
  columns.map(() => null),
]

async function* inBatches(all: readonly Row[], size: number): AsyncGenerator<readonly Row[]> {
  for (let i = 0; i < all.length; i += size) yield all.slice(i, i + size)
}

async function collect(parts: AsyncIterable<string | Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const part of parts) chunks.push(Buffer.from(part))
  return Buffer.concat(chunks)
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'formats-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function askDuckDb(sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const reader = await connection.runAndReadAll(sql)
    return reader.getRowObjectsJson()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

describe('Arrow', () => {
  test('keeps every type, null and digit over several batches', async () => {
    const table = tableFromIPC(await collect(encodeArrow(columns, inBatches(rows, 2))))
    expect(table.numRows).toBe(4)
    expect(table.batches).toHaveLength(2)
    expect(table.schema.fields.map((field) => `${field.name}: ${field.type}`)).toEqual([
      'flag: Bool',
      'small: Int32',
      'large: Int64',
      'real: Float64',
      'price: Decimal[38e+3]',
      'a "text", so: Utf8',
      'bytes: Binary',
      'day: Date32<DAY>',
      'moment: Timestamp<MICROSECOND, UTC>',
      'list: List<Decimal[9e+2]>',
      'struct: Struct<{a b:Int64, c:List<Timestamp<MICROSECOND, UTC>>, d:Struct<{e:Utf8}>}>',
      'json: Utf8',
    ])
    const first = table.get(0)?.toJSON() ?? {}
    expect(first.flag).toBe(true)
    expect(first.small).toBe(-2147483648)
    expect(first.large).toBe(9223372036854775807n)
    expect(String(first.price)).toBe('12345678901234567890123456789012345678')
    expect(first['a "text", so']).toBe(rows[0]?.[5])
    expect([...first.bytes]).toEqual([0, 255, 10])
    expect(first.json).toBe('{"k":[1,"two",null]}')
    const moments = table.getChild('moment')?.data.flatMap((data) => [...data.values.slice(0, data.length)])
    expect(moments).toEqual([1709251199123456n, -500000n, 0n, 0n])
    expect(table.get(1)?.toJSON().json).toBe('"text"')
    expect(Number.isNaN(table.get(1)?.toJSON().real)).toBe(true)
    expect(table.get(1)?.toJSON()['a "text", so']).toBe('')
    const last = table.get(3)?.toJSON() ?? {}
    expect(Object.values(last)).toEqual(columns.map(() => null))
  })

  test('keeps a struct’s field __proto__, and takes nothing for a field from what every object has', async () => {
    const odd = [column('s', 'STRUCT', 'STRUCT("__proto__" VARCHAR, "constructor" VARCHAR)')]
    const values: Row[] = [[JSON.parse('{"__proto__":"x"}')], [null], [{}]]
    const struct = tableFromIPC(await collect(encodeArrow(odd, inBatches(values, 4)))).getChild('s')
    const cells = (index: number) => [...(struct?.getChildAt(index) ?? [])]
    expect([cells(0), cells(1)]).toEqual([
      ['x', null, null],
      [null, null, null],
    ])
  })

  test('keeps dates and timestamps to the ends of their range, and unsafe integers in JSON', async () => {
    const three = [
      column('day', 'DATE', 'DATE'),
      column('moment', 'TIMESTAMP', 'TIMESTAMP'),
      column('json', 'JSON', 'JSON'),
    ]
    const values: Row[] = [
      ['infinity', '-infinity', [9007199254740993n]],
      ['+294247-01-10', '-290308-12-22T00:00:00Z', {}],
    ]
    const table = tableFromIPC(await collect(encodeArrow(three, inBatches(values, 4))))
    expect([...(table.getChild('day')?.data[0]?.values ?? [])]).toEqual([2147483647, 106751991])
    expect([...(table.getChild('moment')?.data[0]?.values ?? [])][0]).toBe(-9223372036854775807n)
    expect([...(table.getChild('json') ?? [])]).toEqual(['[9007199254740993]', '{}'])
  })

  test('gives a file with the columns and no rows when there are none', async () => {
    const table = tableFromIPC(await collect(encodeArrow(columns, inBatches([], 1))))
    expect(table.numRows).toBe(0)
    expect(table.schema.fields.map((field) => field.name)).toEqual(columns.map((c) => c.name))
  })
})

describe('CSV', () => {
  test('is read back by DuckDB with nulls and empty strings told apart', async () => {
    const path = join(folder, 'rows.csv')
    await writeFile(path, await collect(encodeCsv(columns, inBatches(rows, 3))))
    const read = await askDuckDb(
      `SELECT * REPLACE (large::BIGINT AS large, price::DECIMAL(38,3) AS price, moment::TIMESTAMPTZ::VARCHAR AS moment) FROM read_csv('${path}', header = true, all_varchar = true, strict_mode = true, allow_quoted_nulls = false, null_padding = false)`,
    )
    expect(read.map((row) => row['a "text", so'])).toEqual([rows[0]?.[5], '', 'NULL', null])
    expect(read.map((row) => row.large)).toEqual(['9223372036854775807', '-5', null, null])
    expect(read.map((row) => row.price)).toEqual([
      '12345678901234567890123456789012345.678',
      '-1.500',
      '0.000',
      null,
    ])
    expect(read.map((row) => row.real)).toEqual(['0.1', 'NaN', 'Infinity', null])
    expect(read[0]).toMatchObject({
      bytes: 'AP8K',
      list: '[1.25,null,-0.5]',
      json: '{"k":[1,"two",null]}',
      struct: '{"a b":"9007199254740993","c":["1969-12-31T23:59:59.999999Z",null],"d":{"e":""}}',
    })
    expect(read[1]).toMatchObject({ bytes: '', json: '"text"' })
  })

  test('writes decimals with all their places, and no digit that is not theirs', async () => {
    const fine = [column('fine', 'DECIMAL', 'DECIMAL(38,20)')]
    const values: Row[] = [[0.1], [-1234567890123.45], [1e-7], [0]]
    const text = (await collect(encodeCsv(fine, inBatches(values, 4)))).toString()
    const expected = [
      '0.10000000000000000000',
      '-1234567890123.45000000000000000000',
      '0.00000010000000000000',
      '0.00000000000000000000',
    ]
    expect(text.trimEnd().split('\r\n').slice(1)).toEqual(expected)
    const table = tableFromIPC(await collect(encodeArrow(fine, inBatches(values, 4))))
    const digits = expected.map((decimal) => String(BigInt(decimal.replace('.', ''))))
    expect([...(table.getChild('fine') ?? [])].map(String)).toEqual(digits)
  })

  test('ends lines by RFC 4180 and begins with the header, even without rows', async () => {
    const two = [column('a', 'STRING', 'VARCHAR'), column('b,', 'STRING', 'VARCHAR')]
    expect((await collect(encodeCsv(two, inBatches([], 1)))).toString()).toBe('a,"b,"\r\n')
    const text = (await collect(encodeCsv(two, inBatches([['', null]], 1)))).toString()
    expect(text).toBe('a,"b,"\r\n"",\r\n')
  })
})

describe('NDJSON', () => {
  test('holds one object a line, by the rules of JSON values', async () => {
    const text = (await collect(encodeNdjson(columns, inBatches(rows, 3)))).toString()
    const lines = text.trimEnd().split('\n')
    expect(lines).toHaveLength(4)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ large: '9223372036854775807', bytes: 'AP8K' })
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({ real: null, price: 0, json: false })
    const path = join(folder, 'rows.ndjson')
    await writeFile(path, text)
    const read = await askDuckDb(
      `SELECT moment::VARCHAR AS moment, "a ""text"", so" AS text FROM read_ndjson('${path}')`,
    )
    expect(read[0]).toEqual({ moment: '2024-02-29 23:59:59.123456', text: rows[0]?.[5] })
    expect(read[1]?.text).toBe('')
    expect(read[3]?.text).toBeNull()
  })
})

describe('A storage type', () => {
  test('is taken apart however deep it nests and whatever its names hold', () => {
    expect(parseStorage('STRUCT("a "",(" DECIMAL(4,1), b STRUCT(c INTEGER[3])[])[]')).toEqual({
      kind: 'list',
      length: null,
      item: {
        kind: 'struct',
        fields: [
          { name: 'a ",(', storage: { kind: 'decimal', precision: 4, scale: 1 } },
          {
            name: 'b',
            storage: {
              kind: 'list',
              length: null,
              item: {
                kind: 'struct',
                fields: [
                  {
                    name: 'c',
                    storage: { kind: 'list', length: 3, item: { kind: 'plain', name: 'INTEGER' } },
                  },
                ],
              },
            },
          },
        ],
      },
    })
  })
})
