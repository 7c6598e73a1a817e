// What every warehouse does with rows for tables of its user's own: of every type, with defaults, and told by their stored keys.

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import { assertTaken, checkRows, findIngestTable, packRows, unpackRows } from '../../src/publish/ingest.ts'
import { type ColumnType, encodeValue, type Row, type Value } from '../../src/values/columns.ts'
import type { AppendResult, Warehouse } from '../../src/warehouse/port.ts'

export interface OwnKey {
  /** Of the table, which has a column `k`. */
  name: string
  rows: readonly Record<string, unknown>[]
  /** What the rows then hold in `k`; null when the warehouse cannot tell, so that any row may have changed. */
  stored: readonly Value[] | null
  /** Whether it can tell also of rows that were committed before; not, by default, where they were not stored as given. */
  toldAgain?: boolean
  /** Other tables that change with it. */
  others?: readonly string[]
}

export interface OwnTables {
  /** Opens a warehouse in which the tables stand: those of `keys`, `misfits` with a column for each, and `every_type`, with `id` and a column `v…` for each of `values`. */
  open(): Promise<Warehouse>
  remove(): Promise<void>
  /** Files in it the warehouse may read. */
  datasetsFolder: string
  values: readonly { sql: string; type: ColumnType; value: Value }[]
  keys: readonly OwnKey[]
  /** The columns of the table `misfits`: a value each that is taken, and one that is not. */
  misfits: readonly { column: string; good: unknown; bad: unknown }[]
  /** Rows for the table `constrained`: one that it takes, and one that its engine refuses only when it is written. */
  constrained: { good: Record<string, unknown>; bad: Record<string, unknown> }
}

/** As the publishing does, the job's storage included. */
export async function ingest(
  warehouse: Warehouse,
  name: string,
  rows: unknown,
  jobId: string = crypto.randomUUID(),
) {
  const table = findIngestTable(await warehouse.tables(), name)
  const checked = await checkRows(table, rows)
  await assertTaken(warehouse, table, checked)
  const { parts } = await unpackRows(table, await packRows(checked))
  return warehouse.append({ jobId, batch: 0, tables: parts, keys: [{ table: name, columns: ['k'] }] })
}

/** JSON has no numbers that are none, no zero below zero, and the numbers in it are no larger than JavaScript's. */
function hasJson(value: Value): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value !== null
  if (Array.isArray(value)) return value.every((part: Value) => part === null || hasJson(part))
  return Object.values(value).every(
    (part: Value) => typeof part !== 'bigint' && (part === null || hasJson(part)),
  )
}

export function testOwnTables(name: string, start: () => Promise<OwnTables>): void {
  describe(`${name} with tables of its user's own`, () => {
    let subject: OwnTables
    let warehouse: Warehouse
    let engine: ParquetEngine

    beforeAll(async () => {
      subject = await start()
      warehouse = await subject.open()
      const { datasetsFolder } = subject
      const temporaryFolder = join(datasetsFolder, 'tmp')
      engine = await createParquetEngine({ folders: [datasetsFolder], memoryMb: 128, temporaryFolder })
    })

    afterAll(async () => {
      await engine?.close()
      await warehouse?.close()
      await subject?.remove()
    })

    const find = async (sql: string, key: string, value: string) =>
      (await warehouse.lookup({ sql, key: [key], values: [[value]] })).rows
    /** What the table holds of the column, nulls left out, each once. */
    const held = async (table: string) => {
      const sql = `SELECT * FROM feature_store.${table}`
      const { columns } = await warehouse.describe(sql)
      const position = columns.findIndex((column) => column.name.toLowerCase() === 'k')
      const { batches } = await warehouse.scan({ sql, key: [columns[position]?.name ?? ''] })
      const found: Value[] = []
      for await (const batch of batches) found.push(...batch.map((row) => row[position] ?? null))
      return [...new Set(found)].sort()
    }
    const keysOf = ({ changes }: AppendResult, table: string) => {
      const change = changes.find((each) => each.table === `feature_store.${table}`)
      expect(change).toBeDefined()
      const values = change?.keys?.find(({ columns: [column] }) => column === 'k')?.values
      return values === undefined ? null : values.flat().sort()
    }

    test('MUST store the values of every type as reading gives them, and take them so as JSON', async () => {
      const { values } = subject
      const columns = ['id', ...values.map((_, i) => `v${i}`)]
      const raw = ['raw', ...values.map(({ value }) => value)]
      const tables = [{ table: 'every_type', columns, rows: [raw] }]
      expect(await warehouse.findMisfit({ table: 'every_type', columns, rows: [raw] })).toBeNull()
      await warehouse.append({ jobId: 'every type', batch: 0, tables })
      const json = values.map(({ value }, i) => [`v${i}`, JSON.parse(encodeValue(value))])
      await ingest(warehouse, 'every_type', [{ id: 'json', ...Object.fromEntries(json) }, { id: 'nothing' }])
      const sql = 'SELECT * FROM feature_store.every_type'
      const [asRaw] = await find(sql, 'id', 'raw')
      const [asJson] = await find(sql, 'id', 'json')
      for (const [i, { sql: expression, value }] of values.entries()) {
        expect(asRaw?.[i + 1], expression).toEqual(value)
        if (hasJson(value)) expect(asJson?.[i + 1], expression).toEqual(value)
      }
      expect((await find(sql, 'id', 'nothing'))[0]?.slice(1)).toEqual(values.map(() => null))
    })

    test('MUST name row and column of a value that its engine does not take, and write nothing', async () => {
      const before = await warehouse.version()
      const good = Object.fromEntries(subject.misfits.map(({ column, good }) => [column, good]))
      for (const { column, bad } of subject.misfits) {
        const rows = Array.from({ length: 500 }, (_, i) => (i === 377 ? { ...good, [column]: bad } : good))
        await expect(ingest(warehouse, 'misfits', rows), column).rejects.toMatchObject({
          code: 'BAD_USER_INPUT',
          details: { faultCount: 1, faults: [{ row: 377, column }] },
        })
      }
      await ingest(warehouse, 'misfits', [good, {}])
      expect(await warehouse.version()).toBe(before + 1)
    })

    test('MUST write none of the rows when its engine refuses one of them', async () => {
      const before = await warehouse.version()
      const { good, bad } = subject.constrained
      const rows = Array.from({ length: 9000 }, (_, i) => (i === 8500 ? bad : good))
      await expect(ingest(warehouse, 'constrained', rows)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
      expect(await held('constrained')).toEqual([])
      expect(await warehouse.version()).toBe(before)
      await ingest(warehouse, 'constrained', [good])
      expect(await held('constrained')).toEqual([good.k])
    })

    /** As an upload has them: a file for each batch of rows. */
    async function toFiles(name: string, columns: readonly string[], batches: readonly Row[][]) {
      const known = (await warehouse.tables()).find((table) => table.name === name)?.columns ?? []
      const own = columns.flatMap((each) => known.filter((column) => column.name === each))
      const files: string[] = []
      for (const rows of batches) {
        const path = join(subject.datasetsFolder, `${crypto.randomUUID()}.parquet`)
        await engine.writeFrames({ path, columns: own, batches: [rows] })
        files.push(path)
      }
      return { table: name, columns: own, files, rowCount: batches.flat().length }
    }

    test('MUST store from files the values of every type as from rows', async () => {
      const { values } = subject
      const columns = ['id', ...values.map((_, i) => `v${i}`)]
      const full = ['file', ...values.map(({ value }) => value)]
      const empty = ['empty file', ...values.map(() => null)]
      const files = await toFiles('every_type', columns, [[full], [empty]])
      const request = { jobId: 'every type of files', batch: 0, tables: [files], maxKeys: 10 }
      expect((await warehouse.appendFiles(request)).applied).toBe(true)
      const sql = 'SELECT * FROM feature_store.every_type'
      const [stored] = await find(sql, 'id', 'file')
      for (const [i, { sql: expression, value }] of values.entries())
        expect(stored?.[i + 1], expression).toEqual(value)
      expect((await find(sql, 'id', 'empty file'))[0]?.slice(1)).toEqual(values.map(() => null))
    })

    test('MUST write the rows of files once, all of them or none, and tell their keys if they are few', async () => {
      const { good, bad } = subject.constrained
      const columns = Object.keys(good)
      const rowOf = (row: Record<string, unknown>): Row => columns.map((name) => (row[name] ?? null) as Value)
      const many = Array.from({ length: 9000 }, () => rowOf(good))
      const before = { version: await warehouse.version(), held: await held('constrained') }
      const append = async (jobId: string, batches: readonly Row[][], maxKeys = 10) =>
        warehouse.appendFiles({
          jobId,
          batch: 0,
          tables: [await toFiles('constrained', columns, batches)],
          keys: [{ table: 'constrained', columns: ['k'] }],
          maxKeys,
        })
      await expect(append('refused files', [many, [rowOf(bad)]])).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
      })
      expect(await warehouse.version()).toBe(before.version)
      expect(await held('constrained')).toEqual(before.held)
      const others = [rowOf({ ...good, k: 'y' }), rowOf({ ...good, k: 'z' })]
      const [first, again] = [await append('files', [others]), await append('files', [others])]
      expect([first.applied, again.applied]).toEqual([true, false])
      expect(keysOf(first, 'constrained')).toEqual(['y', 'z'])
      expect(keysOf(again, 'constrained')).toEqual(['y', 'z'])
      expect(await held('constrained')).toEqual([...before.held, 'y', 'z'].sort())
      expect(await warehouse.version()).toBe(before.version + 1)
      expect(keysOf(await append('more files', [others], 1), 'constrained')).toBeNull()
    })

    test('MUST tell of every table the stored keys of the rows that went in', async () => {
      for (const { name, rows, stored, toldAgain = stored !== null, others = [] } of subject.keys) {
        const jobId = `keys of ${name}`
        const result = await ingest(warehouse, name, rows, jobId)
        expect(result.applied, name).toBe(true)
        expect(keysOf(result, name), name).toEqual(stored === null ? null : [...stored].sort())
        if (stored !== null) expect(await held(name), name).toEqual([...stored].sort())
        const again = await ingest(warehouse, name, rows, jobId)
        expect(again.applied, name).toBe(false)
        expect(keysOf(again, name), `${name}, again`).toEqual(toldAgain ? [...(stored ?? [])].sort() : null)
        const names = result.changes.map(({ table }) => table)
        const expected = [name, ...others].map((each) => `feature_store.${each}`)
        expect([...names].sort(), name).toEqual([...expected].sort())
        for (const other of toldAgain ? [] : others) expect(keysOf(again, other), other).toBeNull()
      }
    })
  })
}
