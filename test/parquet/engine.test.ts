// Parquet files read and written, and SQL ETLs over files and over groups of rows, on real files.

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import type { Column, Row } from '../../src/values/columns.ts'
import { collectGarbage } from '../held-memory.ts'
import { values } from './values.ts'

let folder: string
let engine: ParquetEngine
let files = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "parquet's [x] "))
  engine = await createParquetEngine({
    folders: [folder],
    memoryMb: 512,
    temporaryFolder: join(folder, 'tmp'),
  })
})

afterAll(async () => {
  await engine.close()
  await rm(folder, { recursive: true })
})

const newPath = () => join(folder, `file ${files++}.parquet`)
const column = (name: string, type: Column['type'], storage: string): Column => ({
  name,
  type,
  storage,
  nullable: true,
})
const people = [
  column('id', 'INT64', 'BIGINT'),
  column('name', 'STRING', 'VARCHAR'),
  column('seen', 'TIMESTAMP', 'TIMESTAMP'),
]
const rowsOf = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, i) => [
    from + i,
    (from + i) % 3 === 0 ? null : `n${from + i}`,
    '2026-01-02T03:04:05.123456Z',
  ])

async function refusal(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AppError)
  return error as AppError
}

async function collect(batches: AsyncIterable<readonly Row[]>): Promise<{ rows: Row[]; sizes: number[] }> {
  const rows: Row[] = []
  const sizes: number[] = []
  for await (const batch of batches) {
    sizes.push(batch.length)
    rows.push(...batch)
  }
  return { rows, sizes }
}

describe('files', () => {
  test('rows written in batches come back by page and by scan, in order, with their nulls observed', async () => {
    const path = newPath()
    const written = await engine.writeFrames({
      path,
      columns: people,
      batches: [rowsOf(0, 3000), [], rowsOf(3000, 10_000)],
    })
    expect(written.rowCount).toBe(10_000n)
    expect(written.columns.map(({ nullable }) => nullable)).toEqual([false, true, false])
    const page = await engine.read(path, { columns: people, offset: 4999, limit: 3 })
    expect(page).toEqual({ columns: people, rows: rowsOf(4999, 5002) })
    const { rows, sizes } = await collect(engine.scan(path, { columns: people, batchRows: 3000 }))
    expect(rows).toEqual(rowsOf(0, 10_000))
    expect(sizes).toEqual([3000, 3000, 3000, 1000])
  })

  test('a file without rows keeps its columns', async () => {
    const path = newPath()
    expect((await engine.writeFrames({ path, columns: people, batches: [] })).rowCount).toBe(0n)
    expect((await engine.read(path, { columns: people })).rows).toEqual([])
    expect((await collect(engine.scan(path, { columns: people }))).rows).toEqual([])
  })

  test('more scans than there are threads may each feed a writer at once', async () => {
    const source = newPath()
    await engine.writeFrames({ path: source, columns: people, batches: [rowsOf(0, 5000)] })
    const copies = Array.from({ length: 24 }, () =>
      engine.writeFrames({
        path: newPath(),
        columns: people,
        batches: engine.scan(source, { columns: people }),
      }),
    )
    for (const { rowCount } of await Promise.all(copies)) expect(rowCount).toBe(5000n)
  })

  test('a writer whose batches fail leaves no file, and the failure is the caller’s own', async () => {
    const before = await readdir(folder)
    const failing = async function* () {
      yield rowsOf(0, 10)
      throw new AppError('ETL_FAILED', 'row 11 is bad')
    }
    const error = await refusal(engine.writeFrames({ path: newPath(), columns: people, batches: failing() }))
    expect(error.message).toBe('row 11 is bad')
    expect(await readdir(folder)).toEqual(before)
  })

  test('rows of a writer that failed are in no later file, whenever what held them is collected', async () => {
    const failing = function* () {
      yield rowsOf(100, 110)
      throw new AppError('ETL_FAILED', 'no more')
    }
    await refusal(engine.writeFrames({ path: newPath(), columns: people, batches: failing() }))
    const path = newPath()
    const batches = async function* () {
      yield rowsOf(0, 2)
      for (let turn = 0; turn < 5; turn++) {
        collectGarbage()
        await setImmediate()
      }
    }
    const { rowCount } = await engine.writeFrames({ path, columns: people, batches: batches() })
    expect(rowCount).toBe(2n)
    expect((await engine.read(path, { columns: people })).rows).toEqual(rowsOf(0, 2))
  })

  test('a value of another type than its column is named by row and column', async () => {
    const error = await refusal(
      engine.writeFrames({ path: newPath(), columns: people, batches: [[[1, 2, null]]] }),
    )
    expect(error.message).toContain('row 1, column "name"')
  })

  test('a file outside its folders cannot be read', async () => {
    await refusal(engine.read('/etc/passwd', { columns: people }))
    await refusal(engine.read(join(folder, '..', 'x.parquet'), { columns: people }))
  })
})

describe('SQL over a file', () => {
  const run = async (sql: string, rows: Row[] = rowsOf(0, 6), columns = people) => {
    const inputPath = newPath()
    const outputPath = newPath()
    await engine.writeFrames({ path: inputPath, columns, batches: [rows] })
    const result = await engine.runSql({ sql, inputPath, inputColumns: columns, outputPath })
    return { ...result, rows: (await engine.read(outputPath, { columns: result.columns })).rows }
  }

  test('gives columns with observed nulls, and rows', async () => {
    const { columns, rowCount, rows } = await run(
      'SELECT name, count(*) AS n, sum(id) AS s FROM input GROUP BY name ORDER BY n DESC, name;',
    )
    expect(rowCount).toBe(5n)
    expect(columns).toEqual([
      { name: 'name', type: 'STRING', storage: 'VARCHAR', nullable: true },
      { name: 'n', type: 'INT64', storage: 'BIGINT', nullable: false },
      { name: 's', type: 'DECIMAL', storage: 'DECIMAL(38,0)', nullable: false },
    ])
    expect(rows[0]).toEqual([null, 2, 3])
  })

  test.for([
    'SELECT random() AS r FROM input',
    'SELECT now() AS r FROM input',
    'SELECT current_timestamp AS r FROM input',
    'SELECT current_date AS r FROM input',
    'SELECT today() AS r FROM input',
    'SELECT uuid() AS r FROM input',
    'SELECT gen_random_uuid() AS r FROM input',
    'SELECT age(seen) AS r FROM input',
    'SELECT id FROM input WHERE seen < now()',
    'SELECT id FROM input TABLESAMPLE 10%',
    'SELECT id FROM input USING SAMPLE 3',
    'SELECT * FROM other',
    "SELECT * FROM 'x.parquet'",
    "SELECT * FROM read_parquet('x.parquet')",
    'SELECT * FROM main.input',
    'SELECT * FROM temp.input',
    'SELECT * FROM duckdb_settings()',
    'DELETE FROM input',
    'SELECT 1 AS a; SELECT 2 AS a',
    'SELECT id, id FROM input',
  ])('refuses %s with INVALID_SQL, over a file and over groups alike', async (sql) => {
    expect((await refusal(run(sql))).code).toBe('INVALID_SQL')
    expect(
      (await refusal(engine.runSqlGroups({ sql, inputColumns: people, groups: [rowsOf(0, 2)] }))).code,
    ).toBe('INVALID_SQL')
  })

  test('checkSql accepts what runs and refuses what does not, before there is any input', async () => {
    await engine.checkSql('WITH a AS (SELECT * FROM input) SELECT * FROM a')
    expect((await refusal(engine.checkSql('SELECT\n  random() AS r FROM input'))).code).toBe('INVALID_SQL')
    expect((await refusal(engine.checkSql('SELECT FROM'))).details).toMatchObject({ line: 1 })
  })

  test('a column called current_date is a column', async () => {
    const columns = [column('current_date', 'STRING', 'VARCHAR')]
    expect((await run('SELECT "current_date" AS d FROM input', [['x']], columns)).rows).toEqual([['x']])
  })

  test('a mistake in it has line and column; one that shows as it runs is ETL_FAILED', async () => {
    const unknown = await refusal(run('SELECT id,\n  nothing FROM input'))
    expect([unknown.code, unknown.details]).toEqual(['INVALID_SQL', { line: 2, column: 3 }])
    const failing = await refusal(run('SELECT\n  CAST(name AS INTEGER) AS n FROM input'))
    expect([failing.code, failing.details]).toEqual(['ETL_FAILED', { line: 2, column: 3 }])
  })

  test('stops when aborted, leaving no file', async () => {
    const controller = new AbortController()
    const inputPath = newPath()
    await engine.writeFrames({ path: inputPath, columns: people, batches: [rowsOf(0, 10_000)] })
    const before = (await readdir(folder)).length
    const running = engine.runSql({
      sql: 'SELECT sum(a.id * b.id) AS s FROM input a, input b, input c',
      inputPath,
      inputColumns: people,
      outputPath: newPath(),
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    })
    await expect(running).rejects.toThrow('enough')
    expect(await readdir(folder)).toHaveLength(before)
  })
})

describe('SQL over groups of rows', () => {
  const groups = [rowsOf(0, 3), [], rowsOf(3, 4), rowsOf(4, 9)]

  test.for([
    'SELECT * FROM input',
    'SELECT id * 2 AS d, upper(name) AS u FROM input WHERE id <> 4;',
    'SELECT i.*, CASE WHEN id > 3 THEN list_transform([id], x -> x + 1) END AS l FROM input i -- all',
    'FROM input',
    'SELECT DISTINCT id % 2 AS odd FROM input ORDER BY odd',
    'SELECT count(*) AS n, max(name) AS last FROM input',
    'SELECT id, row_number() OVER (ORDER BY id) AS nth FROM input ORDER BY id',
    'SELECT id FROM input ORDER BY id DESC LIMIT 1',
    'SELECT id, (SELECT count(*) FROM input) AS n FROM input ORDER BY id',
    'WITH input2 AS (SELECT * FROM input) SELECT a.id FROM input2 a JOIN input b ON a.id = b.id ORDER BY 1',
    'SELECT unnest([id, id]) AS twice FROM input ORDER BY 1',
    'SELECT id AS rowid FROM input ORDER BY 1',
    'SELECT geometric_mean(id + 1) AS g FROM input',
    'SELECT id FROM input UNION ALL SELECT id FROM input ORDER BY 1',
    'SELECT id AS a FROM input QUALIFY row_number() OVER () = 1',
    'SELECT any_value(name) AS a FROM input GROUP BY ALL',
    'VALUES (1)',
  ])('gives for each group what a file of its rows gives: %s', async (sql) => {
    const result = await engine.runSqlGroups({ sql, inputColumns: people, groups })
    expect(result.groups).toHaveLength(groups.length)
    for (const [i, group] of groups.entries()) {
      const inputPath = newPath()
      const outputPath = newPath()
      await engine.writeFrames({ path: inputPath, columns: people, batches: [group] })
      const alone = await engine.runSql({ sql, inputPath, inputColumns: people, outputPath })
      const { rows } = await engine.read(outputPath, { columns: alone.columns })
      expect(result.groups[i], `group ${i}`).toEqual(rows)
      expect(result.columns.map(({ name, storage }) => [name, storage])).toEqual(
        alone.columns.map(({ name, storage }) => [name, storage]),
      )
    }
  })

  test.for([
    'SELECT count(*) AS n, max(name) AS last, avg(id) AS mean, sum(id) FILTER (WHERE id > 2) AS big FROM input',
    'SELECT id % 2 AS odd, count(DISTINCT name) AS names FROM input GROUP BY odd',
    'SELECT count(*) AS n, id % 2 AS odd FROM input WHERE id <> 5 GROUP BY 2 HAVING count(*) > 1',
    'SELECT id % 2 AS odd, id % 3 AS third, median(id) AS middle FROM input GROUP BY ROLLUP (odd, third)',
    'SELECT 1 AS one FROM input HAVING count(*) > 2',
    'SELECT id FROM input GROUP BY id',
    'SELECT count(*) AS gateway_group FROM input',
    'SELECT list(id ORDER BY id) AS ids FROM input',
    'SELECT sum(id) OVER () AS s, count(*) AS n FROM input GROUP BY id',
    'SELECT max(COLUMNS(*)) FROM input',
  ])('aggregates each group as a file of its rows alone: %s', async (sql) => {
    const filled = groups.filter((group) => group.length > 0)
    const result = await engine.runSqlGroups({ sql, inputColumns: people, groups: filled })
    for (const [i, group] of filled.entries()) {
      const inputPath = newPath()
      const outputPath = newPath()
      await engine.writeFrames({ path: inputPath, columns: people, batches: [group] })
      const alone = await engine.runSql({ sql, inputPath, inputColumns: people, outputPath })
      const { rows } = await engine.read(outputPath, { columns: alone.columns })
      expect(new Set(result.groups[i]), `group ${i}`).toEqual(new Set(rows))
      expect(result.groups[i]).toHaveLength(rows.length)
    }
  })

  test('every type passes through as it does through a file', async () => {
    const path = newPath()
    for (const { sql, type, value } of values) {
      const first = await engine.runSql({
        sql: `SELECT ${sql} AS v`,
        inputPath: await anyFile(),
        inputColumns: people,
        outputPath: path,
      })
      for (const etl of ['SELECT v FROM input', 'SELECT any_value(v) AS v FROM input GROUP BY 1 = 1']) {
        if (value === null && etl.includes('any_value')) continue
        const { columns, groups: results } = await engine.runSqlGroups({
          sql: etl,
          inputColumns: first.columns,
          groups: [[[value]]],
        })
        expect(results, sql).toEqual([[[value]]])
        expect(columns[0], sql).toMatchObject({
          type,
          storage: first.columns[0]?.storage,
          nullable: value === null,
        })
      }
    }
  })

  let written: string | undefined
  async function anyFile(): Promise<string> {
    if (written === undefined) {
      written = newPath()
      await engine.writeFrames({ path: written, columns: people, batches: [rowsOf(0, 1)] })
    }
    return written
  }

  test('no groups give the columns and no results', async () => {
    const { columns, groups: none } = await engine.runSqlGroups({
      sql: 'SELECT id FROM input',
      inputColumns: people,
      groups: [],
    })
    expect([columns.map(({ name }) => name), none]).toEqual([['id'], []])
  })

  test('many calls at once do not see each other’s rows', async () => {
    const calls = Array.from({ length: 40 }, async (_, i) => {
      const { groups: results } = await engine.runSqlGroups({
        sql: i % 2 === 0 ? 'SELECT id FROM input' : 'SELECT max(id) AS id FROM input',
        inputColumns: people,
        groups: [[[i, null, null]]],
      })
      expect(results).toEqual([[[i]]])
    })
    await Promise.all(calls)
  })
})

test('after close everything is refused, and closing again is harmless', async () => {
  const other = await createParquetEngine({
    folders: [folder],
    memoryMb: 128,
    temporaryFolder: join(folder, 'tmp2'),
  })
  await other.close()
  await other.close()
  await refusal(other.checkSql('SELECT 1 AS a'))
})
