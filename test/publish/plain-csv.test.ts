// CSV that the engine reads alone gives what reading it field by field gives, the faults in it too: a quote in the header has it read so.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import { findPlainCsv } from '../../src/publish/upload/plain-csv.ts'
import { prepareUpload } from '../../src/publish/upload/prepare.ts'
import type { Column, Row } from '../../src/values/columns.ts'
import type { WarehouseTable } from '../../src/warehouse/port.ts'
import { createFolder } from '../servers/child.ts'

const folder = await createFolder('plain-csv')
let engine: ParquetEngine

beforeAll(() => {
  engine = createParquetEngine({
    folders: [folder.path],
    temporaryFolder: join(folder.path, 'temporary'),
    memoryMb: 256,
  })
})

afterAll(async () => {
  await engine.close()
  await folder.remove()
})

const column = (name: string, type: Column['type'], storage: string, nullable = true): Column => ({
  name,
  type,
  storage,
  nullable,
})

const table: WarehouseTable = {
  schema: 'feature_store',
  name: 'loaded',
  kind: 'TABLE',
  rowEstimate: null,
  columns: [
    column('id', 'STRING', 'VARCHAR', false),
    column('small', 'INT32', 'SMALLINT'),
    column('long', 'INT64', 'BIGINT'),
    column('ratio', 'FLOAT64', 'DOUBLE'),
    column('is_paid', 'BOOLEAN', 'BOOLEAN'),
    column('day', 'DATE', 'DATE'),
    column('at', 'TIMESTAMP', 'TIMESTAMP'),
    column('zoned', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE'),
    column('price', 'DECIMAL', 'DECIMAL(9,2)'),
    column('tags', 'LIST', 'VARCHAR[]'),
    column('made', 'INT32', 'INTEGER'),
    column('summed', 'INT64', 'BIGINT'),
  ],
  intake: { defaults: ['made'], computed: ['summed'], judged: [] },
}

const header = ['id', 'small', 'long', 'ratio', 'is_paid', 'day', 'at', 'zoned', 'price']
const zulu = '2026-11-23T09:30:00Z'
/** Each a cell of its column, the others as they come. */
const cells: Record<string, readonly string[]> = {
  id: ['a', 'é', ' spaced ', 'NULL', '\\N', "it's", '#no comment', '\u{1f600}', '0'],
  small: ['0', '-0', '007', '32767', '-32768', ''],
  long: ['9223372036854775807', '-9223372036854775808', '00', ''],
  ratio: [
    '1',
    '.5',
    '5.',
    '+2',
    '-0',
    '1e3',
    '1E-3',
    '4.9e-324',
    '1.7976931348623157e308',
    '0.1',
    '1e-400',
    '',
  ],
  is_paid: ['true', 'True', 'TRUE', 'false', 'False', 'FALSE', ''],
  day: ['2026-11-23', '2024-02-29', '0001-01-01', ''],
  at: [
    zulu,
    '2026-11-23 09:30:00.1Z',
    '1999-12-31t23:59:59.999999z',
    '2026-11-23T09:30:00+05:30',
    'infinity',
    '',
  ],
  zoned: [zulu, '2026-11-23T00:00:00.000001Z', '2026-01-01T00:00:00-08:00', ''],
  price: ['0', '-0.5', '1234567.89', '1e2', '12', ''],
}
const wrong: Record<string, readonly string[]> = {
  id: [''],
  small: ['32768', '1.0', ' 1', '1_000', 'x'],
  long: ['9223372036854775808', '1e3', '0x10'],
  ratio: ['nan', 'inf', '1e999', '1_0', '1 ', '1e'],
  is_paid: ['yes', '1', 't'],
  day: ['2026-02-30', '23.11.2026', '2026-11-23T00:00:00Z', '2026-1-1'],
  at: [
    '2026-11-23',
    '2026-11-23T09:30:00',
    '2026-11-23T24:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-11-23T09:30:60Z',
  ],
  zoned: ['2026-11-23T09:30:00.1234567Z', 'now'],
  price: ['1.234', '12345678.00', '.5', '01', '1.'],
}

const whole = ['a', '1', '2', '0.5', 'true', '2026-01-02', zulu, zulu, '1.25']
const withCell = (name: string, cell: string) => whole.map((own, i) => (header[i] === name ? cell : own))
const bodyOf = (names: readonly string[], rows: readonly (readonly string[])[], end = '\n') =>
  [names, ...rows].map((row) => row.join(',') + end).join('')
const quoted = (body: string) => body.replace(/^(\ufeff?)([^,\r\n]+)/, '$1"$2"')

async function* bytesOf(body: string) {
  // Cut in the middle of everything.
  const bytes = Buffer.from(body)
  for (let at = 0; at < bytes.length; at += 3) yield bytes.subarray(at, at + 3)
}

let count = 0
/** What a body becomes: its rows, or why it is refused. */
async function read(
  body: string | Buffer,
): Promise<{ columns: string[]; rows: Row[] } | { refused: string }> {
  const bodyPath = join(folder.path, `body-${count++}.csv`)
  await writeFile(bodyPath, body)
  try {
    const { parts } = await prepareUpload(engine, {
      folder: folder.path,
      bodyPath,
      format: 'csv',
      table,
      maxCells: 10_000,
      signal: new AbortController().signal,
    })
    const [part] = parts
    if (part === undefined || parts.length > 1) throw new Error(`There are ${parts.length} parts`)
    const rows: Row[] = []
    for (const file of part.files)
      for await (const batch of engine.scan(join(folder.path, file), { columns: part.columns }))
        rows.push(...batch)
    expect(part.rowCount).toBe(rows.length)
    return { columns: part.columns.map(({ name }) => name), rows }
  } catch (error) {
    return { refused: error instanceof Error ? error.message : '' }
  }
}

async function compare(body: string) {
  const plain = await read(body)
  expect(plain, body).toEqual(await read(quoted(body)))
  return plain
}

test('values of every type are the same, in a body of all of them and each alone', async () => {
  const rows = Object.entries(cells).flatMap(([name, own]) => own.map((cell) => withCell(name, cell)))
  const both = await compare(bodyOf(header, rows))
  expect(both).toMatchObject({ columns: [...header, 'tags'], rows: { length: rows.length } })
  for (const row of rows) expect(await compare(bodyOf(header, [row]))).toHaveProperty('rows')
})

test('faults are told as they are told of a body that is read field by field', async () => {
  for (const [name, own] of Object.entries(wrong))
    for (const cell of own) {
      const { refused = '' } = (await compare(bodyOf(header, [whole, withCell(name, cell)]))) as {
        refused?: string
      }
      expect(refused, `${name}: ${cell}`).toMatch(new RegExp(`row 1, column "${name}"`))
    }
})

test('bodies of other forms are read alike: line ends, columns left out or unknown, lists', async () => {
  const ids = ['id', 'small']
  const bodies = [
    bodyOf(header, [whole, whole], '\r\n'),
    bodyOf(header, [whole]).trimEnd(),
    bodyOf(header, [whole, whole], '\r\n').trimEnd(),
    bodyOf(ids, [
      ['a', '1'],
      ['b', ''],
    ]),
    bodyOf(ids, [['a', '1']]).replace(/\n/g, '\r'),
    'id,small\na,1\n\nb,2\n',
    'id,small\r\na,1\nb,2\r\n',
    'id,small\na,1\r',
    'id,small\n\n',
    'id,small\n',
    'id,small\na\n',
    'id,small\na,1,\n',
    'id,small\na,1,\nb\n',
    'id\na\n\nb\n',
    'small,id\n1,a\n',
    'small\n1\n',
    'small,long\n1,2\n',
    'id,made\na,\n',
    'id,made\na,7\n',
    'id,summed\na,7\n',
    'id,other\na,7\n',
    'id,id\na,7\n',
    'id,\na,7\n',
    'id,tags\na,[]\n',
    '\ufeffid,small\na,1\n',
    'id,small\na\u0000b,1\n',
  ]
  const found = []
  for (const body of bodies) found.push(await compare(body))
  const malformed = Buffer.concat([Buffer.from('id,small\na'), Buffer.from([0xff]), Buffer.from(',1\n')])
  expect(await read(malformed)).toEqual({ refused: 'The body is no UTF-8 text.' })
  expect(found.filter((one) => 'rows' in one).length).toBeGreaterThan(8)
  expect(found.filter((one) => 'refused' in one).length).toBeGreaterThan(8)
})

test('a body without quotes, empty lines or uneven ones is plain, and no other', async () => {
  expect(await findPlainCsv(bytesOf('a,b\n1,é\n2,\n'))).toEqual({
    names: ['a', 'b'],
    lineEnd: '\n',
    rowCount: 2,
  })
  for (const body of ['a,b\r\n1,2', 'a,b\r\n1,2\r\n'])
    expect(await findPlainCsv(bytesOf(body))).toMatchObject({ lineEnd: '\r\n', rowCount: 1 })
  for (const body of [
    '',
    'a',
    'a\n1\n',
    'a,b\n1\n',
    'a,b\n1,2,3\n',
    'a,b\n\n1,2\n',
    'a,b\n1,"2"\n',
    'a,b\r1,2\r',
  ])
    expect(await findPlainCsv(bytesOf(body)), JSON.stringify(body)).toBeNull()
})
