// Files mounted as tables: each kind, folders, and what cannot be mounted.

import { appendFile, mkdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError } from '../../src/config/config-error.ts'
import { hasOnlyGrown, isUnchanged, lookAt } from '../../src/warehouse/duckdb/file-states.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

const subject = await createWarehouseFolder()
const folder = join(subject.folder, "it's [mounted]")
const flights = join(import.meta.dirname, '../../node_modules/vega-datasets/data/flights-3m.parquet')
let warehouse: Warehouse

beforeAll(async () => {
  await mkdir(join(folder, 'parts', 'deep'), { recursive: true })
  await mkdir(join(folder, 'empty'))
  await writeFile(join(folder, 'people.csv'), 'id,name,at\n1,Ann,2026-01-02 03:04:05\n2,"B, b",\n')
  await writeFile(join(folder, 'zipped.csv.gz'), gzipSync('id,name\n7,Zip\n'))
  await writeFile(join(folder, 'events.ndjson'), '{"id": 1, "tags": ["a"], "where": {"x": 1}}\n{"id": 2}\n')
  await writeFile(join(folder, 'lines.v2.jsonl'), '{"id": 9}\n')
  await writeFile(join(folder, 'readme.txt'), 'not a table')
  await writeFile(join(folder, 'parts', 'a.csv'), 'id,n\n1,1\n')
  await writeFile(join(folder, 'parts', 'deep', 'b.csv'), 'id,n,extra\n2,2,x\n')
  warehouse = await subject.open({ files: [folder, flights] })
})

afterAll(async () => {
  await warehouse?.close()
  await subject.remove()
})

const first = async (sql: string, key: string, value: number | string) =>
  (await warehouse.lookup({ sql, key: [key], values: [[value]] })).rows

test('each file is a table named after it, a folder of files is one table', async () => {
  const mounted = (await warehouse.tables()).filter(({ schema }) => schema === 'files')
  expect(mounted.map(({ name }) => name)).toEqual([
    'events',
    'flights-3m',
    'lines.v2',
    'parts',
    'people',
    'zipped',
  ])
  expect(await first('SELECT * FROM files.people', 'id', 1)).toEqual([[1, 'Ann', '2026-01-02T03:04:05Z']])
  expect(await first('SELECT * FROM files.zipped', 'id', 7)).toEqual([[7, 'Zip']])
  expect(await first('SELECT * FROM files.events', 'id', 1)).toEqual([[1, ['a'], { x: 1 }]])
  expect(await first('SELECT * FROM files."lines.v2"', 'id', 9)).toEqual([[9]])
  expect(await first('SELECT id, n, extra FROM files.parts', 'id', 2)).toEqual([[2, 2, 'x']])
})

test('a statement that joins a file with the warehouse names both as its tables', async () => {
  const { tables } = await warehouse.describe(
    'SELECT p.id, u.name FROM files.people p LEFT JOIN feature_store.users u ON u.user_id = p.name',
  )
  expect(tables.map(({ schema, name }) => `${schema}.${name}`).sort()).toEqual([
    'feature_store.users',
    'files.people',
  ])
})

test('three million rows of a real file come out as a dataset', async () => {
  const path = join(subject.datasetsFolder, 'flights.parquet')
  const seen: (number | null)[] = []
  const { rowCount, columns } = await warehouse.exportParquet({
    sql: 'SELECT * FROM files."flights-3m"',
    path,
    onProgress: ({ fraction }) => seen.push(fraction),
  })
  expect(rowCount).toBe(3_000_000n)
  expect(columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'date TIMESTAMP',
    'delay INT64',
    'distance INT64',
    'origin STRING',
    'destination STRING',
  ])
  for (const fraction of seen) expect(fraction === null || (fraction >= 0 && fraction <= 1)).toBe(true)
})

test.for<[string, (at: string) => Promise<string[]>, RegExp]>([
  ['a path that is not there', async (at) => [join(at, 'nothing.csv')], /nothing\.csv/],
  ['a file of another kind', async () => [join(folder, 'readme.txt')], /readme\.txt must end in/],
  ['a folder without tables', async () => [join(folder, 'empty')], /holds no file/],
  [
    'two files of one name',
    async (at) => {
      await writeFile(join(at, 'People.jsonl'), '{"id": 1}\n')
      return [join(folder, 'people.csv'), join(at, 'People.jsonl')]
    },
    /people\.csv and .*People\.jsonl would both be/,
  ],
  [
    'a file that is not what its name says',
    async (at) => {
      await writeFile(join(at, 'broken.parquet'), 'not parquet at all')
      return [join(at, 'broken.parquet')]
    },
    /broken\.parquet cannot be read as a table/,
  ],
])('%s is a ConfigError that names it', async ([, arrange, message]) => {
  const other = await createWarehouseFolder()
  try {
    const opening = other.open({ files: await arrange(other.folder) })
    await expect(opening).rejects.toThrow(ConfigError)
    await expect(other.open({ files: await arrange(other.folder) })).rejects.toThrow(message)
  } finally {
    await other.remove()
  }
})

describe('files are read as they are now:', () => {
  const at = join(subject.folder, 'changing')
  const rows = async (sql: string) => {
    const { rowCount } = await open.exportParquet({ sql, path: join(own.datasetsFolder, 'n.parquet') })
    return Number(rowCount)
  }
  const listed = async () =>
    (await open.tables()).filter(({ schema }) => schema === 'files').map(({ name }) => name)
  let own: Awaited<ReturnType<typeof createWarehouseFolder>>
  let open: Warehouse

  beforeAll(async () => {
    await mkdir(join(at, 'deep', 'a', 'b'), { recursive: true })
    await mkdir(join(at, 'days', 'day=2026-01-01', 'shop=x'), { recursive: true })
    await writeFile(join(at, 'deep', 'a', 'b', '1.csv'), 'id,n\n1,1\n')
    await writeFile(join(at, 'days', 'day=2026-01-01', 'shop=x', '1.csv'), 'id\n1\n')
    own = await createWarehouseFolder()
    open = await own.open({ files: [at] })
  })
  afterAll(async () => {
    await open?.close()
    await own?.remove()
  })

  test('a new file of a folder, however deep, is part of its table at once', async () => {
    for (let i = 2; i < 5; i++) {
      await writeFile(join(at, 'deep', 'a', 'b', `${i}.csv`), `id,n\n${i},1\n`)
      expect(await rows('SELECT * FROM files.deep')).toBe(i)
    }
    await mkdir(join(at, 'deep', 'c'))
    await writeFile(join(at, 'deep', 'c', '1.csv'), 'id,n,more\n5,1,x\n')
    expect(await rows('SELECT * FROM files.deep')).toBe(5)
    expect((await open.describe('SELECT * FROM files.deep')).columns.map(({ name }) => name)).toEqual([
      'id',
      'n',
      'more',
    ])
    await rm(join(at, 'deep', 'a'), { recursive: true })
    expect(await rows('SELECT * FROM files.deep')).toBe(1)
  })

  test('a Hive partition is a column, and a new one is seen', async () => {
    const { columns, whyNotLocal } = await open.describe('SELECT * FROM files.days', {
      key: ['id'],
    })
    expect(columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'id INT64',
      'day DATE',
      'shop STRING',
    ])
    expect(whyNotLocal).toBeNull()
    await mkdir(join(at, 'days', 'day=2026-01-02', 'shop=x'), { recursive: true })
    await writeFile(join(at, 'days', 'day=2026-01-02', 'shop=x', '1.csv'), 'id\n2\n')
    expect(await rows("SELECT * FROM files.days WHERE day = DATE '2026-01-02'")).toBe(1)
  })

  test('a new file is a new table, one that goes is none any more, one that is broken says why', async () => {
    await expect(open.describe('SELECT * FROM files.late')).rejects.toThrow(/There is no table files\.late/)
    await writeFile(join(at, 'late.csv'), 'id,n\n1,1\n')
    expect(await rows('SELECT * FROM files.late')).toBe(1)
    const { whyNotLocal } = await open.describe('SELECT id, n FROM files.late', { key: ['id'] })
    expect(whyNotLocal).toBeNull()
    expect(await listed()).toEqual(['days', 'deep', 'late'])
    await rm(join(at, 'late.csv'))
    expect(await listed()).toEqual(['days', 'deep'])
    await expect(rows('SELECT * FROM files.late')).rejects.toThrow(/There is no table files\.late/)
    await writeFile(join(at, 'late.parquet'), 'no Parquet')
    await expect(rows('SELECT * FROM files.late')).rejects.toThrow(/late\.parquet cannot be read as a table/)
    expect(await rows('SELECT * FROM files.deep')).toBe(1)
    await rm(join(at, 'late.parquet'))
  })

  test('what no table is made of is named, and what is no table for a reason says so', async () => {
    await writeFile(join(at, 'deep', 'notes.txt'), 'no table')
    await writeFile(join(at, 'days', 'stray.csv'), 'id\n9\n')
    await listed()
    const said = (await open.examine?.())?.map(({ text }) => text).join('\n') ?? ''
    expect(said).toMatch(/mounted as files\."deep"/)
    expect(said).toMatch(/no table is made of .*notes\.txt/)
    expect(said).toMatch(/days holds files of different partitions \(day\/shop and in none\)/)
    await expect(rows('SELECT * FROM files.days')).rejects.toThrow(/different partitions/)
    await rm(join(at, 'days', 'stray.csv'))
    expect(await rows('SELECT * FROM files.days')).toBe(2)
  })
})

test('a folder of Hive partitions is one table by itself', async () => {
  const other = await createWarehouseFolder()
  const at = join(other.folder, 'orders')
  for (const day of ['2026-01-01', '2026-01-02']) {
    await mkdir(join(at, `day=${day}`), { recursive: true })
    await writeFile(join(at, `day=${day}`, 'a.csv'), 'id\n1\n')
  }
  const open = await other.open({ files: [at] })
  try {
    const { rows } = await open.lookup({ sql: 'SELECT * FROM files.orders', key: ['id'], values: [[1]] })
    expect(rows.map(String).sort()).toEqual(['1,2026-01-01', '1,2026-01-02'])
  } finally {
    await open.close()
    await other.remove()
  }
})

test('an existing DuckDB file is opened by its URL, its own tables and views readable', async () => {
  const other = await createWarehouseFolder()
  const file = join(other.folder, 'mine.duckdb')
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  await connection.run('CREATE TABLE sales AS SELECT 1 AS id, 2.5::DECIMAL(9,2) AS amount')
  await connection.run('CREATE SCHEMA shop; CREATE VIEW shop.big AS SELECT * FROM main.sales')
  connection.closeSync()
  instance.closeSync()
  const mine = await other.open({ url: `duckdb:${file}` })
  try {
    for (const sql of [
      'SELECT * FROM sales',
      'SELECT * FROM main.sales',
      'SELECT * FROM mine.main.sales',
      'SELECT * FROM shop.big',
    ]) {
      expect((await mine.lookup({ sql, key: ['id'], values: [[1]] })).rows).toEqual([[1, 2.5]])
    }
    expect(
      (await mine.describe('SELECT * FROM shop.big b JOIN feature_store.users u ON u.name = b.id')).tables,
    ).toMatchObject([
      { schema: 'main', name: 'sales' },
      { schema: 'feature_store', name: 'users' },
    ])
    expect((await mine.describe('SELECT * FROM SALES')).tables).toMatchObject([
      { schema: 'main', name: 'sales' },
    ])
  } finally {
    await mine.close()
    await other.remove()
  }
})

test('a URL of an unknown scheme is a ConfigError that lists the known ones', async () => {
  await expect(subject.open({ url: 'oracle://x' })).rejects.toThrow(/oracle.*duckdb:/)
})

describe('a file is told from', () => {
  const file = join(subject.folder, 'told.csv')
  const other = `${file}.new`
  const madeNs = async (path: string) => (await stat(path, { bigint: true })).ctimeNs

  /** What is made from here on has another time than what is there, however coarse the file system's clock. */
  async function clockGoesOn(): Promise<void> {
    const before = await madeNs(file)
    do await writeFile(other, '')
    while ((await madeNs(other)) === before)
  }

  async function states(change: () => Promise<void>) {
    await writeFile(file, 'k,n\na,1\n')
    await utimes(file, 1, 1)
    const [before] = await lookAt([file])
    await clockGoesOn()
    await change()
    const [now] = await lookAt([file])
    return { before, now: now ?? null }
  }

  test('itself grown, and from one that stands in its place and perhaps under its number', async () => {
    const grown = await states(() => appendFile(file, 'b,2\n'))
    expect(hasOnlyGrown(grown.before, grown.now)).toBe(true)
    expect(isUnchanged(grown.before, grown.now)).toBe(false)
    const replaced = await states(async () => {
      // The first one's number is free once the second is in its place, and the third's to have.
      for (const content of ['n,k\n1,a\n', 'n,k\n1,a\n2,b\n']) {
        await writeFile(other, content)
        await rename(other, file)
      }
    })
    expect(hasOnlyGrown(replaced.before, replaced.now)).toBe(false)
  })

  test('one of the same size that was given its times', async () => {
    const { before, now } = await states(async () => {
      await writeFile(file, 'n,k\n1,a\n')
      await utimes(file, 1, 1)
    })
    expect(isUnchanged(before, now)).toBe(false)
  })
})
