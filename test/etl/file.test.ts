// An ETL over a whole file: order, progress, cancellation, limits, and nothing left behind.

import { access, readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Row } from '../../src/values/columns.ts'
import { column, type EngineStack, javaScript, openEngineStack, sql } from './engine-stack.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack({ timeoutMs: 3000, memoryMb: 64 })
})
afterAll(() => stack.close())

const columns = [column('id', 'INT64', { nullable: false }), column('text', 'STRING')]

async function* manyRows(count: number, text = 'some text'): AsyncIterable<readonly Row[]> {
  for (let from = 0; from < count; from += 10_000) {
    yield Array.from({ length: Math.min(10_000, count - from) }, (_, i) => [from + i, text])
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

test('rows keep their order through both processes, dropped ones leave no hole, and progress counts the input', async () => {
  const inputPath = await stack.writeRows(columns, manyRows(100_000))
  const outputPath = stack.newPath()
  const etl = javaScript(
    'export function transform(row) { return row.id % 3 === 0 ? null : { id: row.id, half: row.id / 2 } }',
  )
  const progress: number[] = []
  const result = await stack.engine.runFile({
    etl,
    inputPath,
    inputColumns: columns,
    outputPath,
    onProgress: (told) => progress.push('rows' in told ? told.rows : -1),
  })
  expect(result).toEqual({
    columns: [column('id', 'INT64', { nullable: false }), column('half', 'FLOAT64', { nullable: false })],
    rowCount: 66_666n,
  })
  const { rows } = await stack.parquet.read(outputPath, { columns: result.columns })
  const expected = Array.from({ length: 100_000 }, (_, id) => id).filter((id) => id % 3 !== 0)
  expect(rows.map(([id]) => id)).toEqual(expected)
  expect(progress).toEqual([...progress].sort((a, b) => a - b))
  expect(progress.at(-1)).toBe(100_000)
})

// The engine tells it anew after every hundred thousand rows or so.
test('a SQL ETL tells how far its engine is', async () => {
  const inputPath = await stack.writeRows(columns, manyRows(1_000_000))
  const fractions: number[] = []
  const { rowCount } = await stack.engine.runFile({
    etl: sql('SELECT id, list_sum(list_transform(range(200), x -> x * id)) AS h FROM input'),
    inputPath,
    inputColumns: columns,
    outputPath: stack.newPath(),
    onProgress: (told) => {
      if ('fraction' in told) fractions.push(told.fraction ?? -1)
    },
  })
  expect(rowCount).toBe(1_000_000n)
  expect(fractions.some((fraction) => fraction > 0 && fraction < 1)).toBe(true)
})

test('more output than is kept in memory goes by way of a file, which is removed', async () => {
  const inputPath = await stack.writeRows(columns, manyRows(60_000))
  const outputPath = stack.newPath()
  const etl = javaScript(
    'export function transform(row) { return { id: row.id, long: row.text.repeat(100) } }',
  )
  const result = await stack.engine.runFile({ etl, inputPath, inputColumns: columns, outputPath })
  expect(result.rowCount).toBe(60_000n)
  const last = await stack.parquet.read(outputPath, { columns: result.columns, offset: 59_999 })
  expect(last.rows).toEqual([[59_999, 'some text'.repeat(100)]])
  expect((await readdir(stack.folder)).filter((name) => name.endsWith('.spool'))).toEqual([])
})

describe('a whole frame', () => {
  test('sees all rows, and gives any number of them', async () => {
    const inputPath = await stack.writeRows(columns, manyRows(20_000))
    const outputPath = stack.newPath()
    const etl = javaScript(`export function extract(rows) {
      const total = rows.reduce((sum, row) => sum + row.id, 0)
      return rows.filter((row) => row.id % 2 === 0).map((row) => ({ id: row.id, total }))
    }`)
    const result = await stack.engine.runFile({ etl, inputPath, inputColumns: columns, outputPath })
    expect(result.rowCount).toBe(10_000n)
    const { rows } = await stack.parquet.read(outputPath, { columns: result.columns, offset: 9999 })
    expect(rows).toEqual([[19_998, 199_990_000]])
  })

  test('that does not fit into memory is TOO_LARGE, says what to do, and the next run works', {
    timeout: 60_000,
  }, async () => {
    const inputPath = await stack.writeRows(columns, manyRows(600_000, 'x'.repeat(200)))
    const outputPath = stack.newPath()
    const etl = javaScript('export function extract(rows) { return rows }')
    const run = stack.engine.runFile({ etl, inputPath, inputColumns: columns, outputPath })
    await expect(run).rejects.toMatchObject({
      code: 'TOO_LARGE',
      message: expect.stringMatching(/write transform\(row\)/),
    })
    expect(await isThere(outputPath)).toBe(false)
    expect((await stack.train(etl, { columns, rows: [[1, 'a']] })).rows).toEqual([[1, 'a']])
  })
})

describe('a run that is stopped', () => {
  test.each([
    ['transform', 'export function transform(row) { if (row.id === 50_000) for (;;); return row }'],
    ['extract', 'export function extract(rows) { for (;;); }'],
  ])("in the middle of %s ends at once with the signal's reason, and leaves nothing", async (_, source) => {
    const inputPath = await stack.writeRows(columns, manyRows(100_000))
    const outputPath = stack.newPath()
    const controller = new AbortController()
    const reason = new Error('the caller has left')
    const run = stack.engine.runFile({
      etl: javaScript(source),
      inputPath,
      inputColumns: columns,
      outputPath,
      signal: controller.signal,
      onProgress: (told) => {
        if ('rows' in told && told.rows >= 40_000) controller.abort(reason)
      },
    })
    await expect(run).rejects.toBe(reason)
    expect(await isThere(outputPath)).toBe(false)
    expect((await readdir(stack.folder)).filter((name) => name.endsWith('.spool'))).toEqual([])
    const etl = javaScript('export function transform(row) { return { id: row.id } }')
    expect((await stack.train(etl, { columns, rows: [[1, null]] })).rows).toEqual([[1]])
  })

  test('before it begins does nothing', async () => {
    const signal = AbortSignal.abort(new Error('never mind'))
    const etl = javaScript('export function transform(row) { return row }')
    await expect(stack.train(etl, { columns, rows: [[1, 'a']] }, signal)).rejects.toThrow('never mind')
  })
})

describe('an ETL that gives no rows', () => {
  test('has the columns that it declares', async () => {
    const etl = javaScript(
      "export const columns = { at: 'TIMESTAMP', n: 'INT32' }\nexport function transform() { return null }",
    )
    expect(await stack.train(etl, { columns, rows: [[1, 'a']] })).toEqual({
      columns: [column('at', 'TIMESTAMP'), column('n', 'INT32')],
      rows: [],
    })
  })

  test('and declares none says that it has no columns, and how to declare some', async () => {
    const etl = javaScript('export function transform() { return null }')
    await expect(stack.train(etl, { columns, rows: [[1, 'a']] })).rejects.toMatchObject({
      code: 'ETL_FAILED',
      message: expect.stringContaining('export const columns'),
    })
  })
})

describe('a SQL ETL', () => {
  test('gives the same through a file as on groups', async () => {
    const etl = sql(
      "SELECT id, upper(text) AS text, id * 1.5 AS more, TIMESTAMP '2026-01-01' + INTERVAL (id) MICROSECOND AS at FROM input",
    )
    const rows = [
      [1, 'a'],
      [2, null],
      [3, "' OR 1=1 --"],
    ]
    const trained = await stack.train(etl, { columns, rows })
    const served = await stack.engine.runGroups({
      etl,
      inputColumns: columns,
      groups: rows.map((row) => [row]),
      outputColumns: trained.columns,
    })
    expect(served.flatMap((result) => (result.ok ? result.frame.rows : []))).toEqual(trained.rows)
  })

  test('that fails says where', async () => {
    await expect(
      stack.train(sql('SELECT id,\n  nope FROM input'), { columns, rows: [[1, 'a']] }),
    ).rejects.toMatchObject({
      code: 'ETL_FAILED',
      message: expect.stringMatching(/^ETL features\.sql:2:3 failed: .*nope/s),
      details: { line: 2, column: 3 },
    })
  })

  test('that is none, or changes from run to run, is refused when it is loaded', async () => {
    for (const source of [
      '',
      'SELEC 1',
      'SELECT 1; SELECT 2',
      'SELECT * FROM other',
      "SELECT * FROM read_csv('/etc/passwd')",
      'SELECT now() AS at FROM input',
      'SELECT random() AS r FROM input',
    ]) {
      await expect(stack.engine.check(sql(source))).rejects.toMatchObject({
        code: 'ETL_LOAD_FAILED',
        message: expect.stringMatching(/^ETL features\.sql.* cannot be used/s),
      })
    }
    await stack.engine.check(sql('SELECT id FROM input'))
  })
})
