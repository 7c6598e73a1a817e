// What statements promise of their results, held against what they give: training beside lookups.

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ofOneKey } from '../../src/features/promised.ts'
import type { ParquetEngine } from '../../src/parquet/engine.ts'
import { compareRows } from '../../src/realtime/parity/row-comparison.ts'
import { overall, type Promised } from '../../src/sql/determinism.ts'
import type { Column, Row } from '../../src/values/columns.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createRandom, type Random } from './generated-statements.ts'

interface Sides {
  trained: Warehouse
  /** Of the same rows, which may stand in other places. */
  served: Warehouse
  engine: ParquetEngine
  datasetsFolder: string
}

interface Cases {
  exactly: readonly string[]
  roundly: readonly string[]
  /** What the note of those that round names. */
  cure: RegExp
  openly: readonly (readonly [sql: string, note: RegExp])[]
}

interface Generated {
  create(random: Random): string
  count: number
  keys: readonly string[]
  /** Between training and serving: puts the rows elsewhere, say. */
  before?(): Promise<void>
}

type RowsByKey = ReadonlyMap<string, string[]>

async function promiseOf(warehouse: Warehouse, sql: string): Promise<Promised> {
  const described = await warehouse.describe(sql)
  const certain = described.determinism
  if (certain === undefined) throw new Error(`Nothing is promised of ${sql}`)
  const named = described.columns.map(({ name }, i) => [name, certain.columns[i] ?? certain.rows] as const)
  return { columns: new Map(named), rows: certain.rows }
}

export function testPromises(sides: () => Sides, { exactly, roundly, cure, openly }: Cases): void {
  const found = async (sql: string) => overall(await promiseOf(sides().trained, sql))

  test.each(exactly)('exact: %s', async (sql) => {
    expect(await found(sql)).toEqual({ level: 'EXACT', note: null })
  })

  test.each(roundly)('exact but for the last digits: %s', async (sql) => {
    expect(await found(sql)).toMatchObject({ level: 'ROUNDING', note: expect.stringMatching(cure) })
  })

  test.each(openly)('left open: %s', async (sql, note) => {
    expect(await found(sql)).toMatchObject({ level: 'OPEN', note: expect.stringMatching(note) })
  })
}

/** Statements have the columns user_id and v. */
export function testGeneratedPromises(sides: () => Sides, { create, count, keys, before }: Generated): void {
  test('of generated statements, training and lookups give the same as far as it is promised', async () => {
    const random = createRandom(4_711)
    const statements = new Map<string, { promised: Promised; trained: RowsByKey }>()
    for (let i = 0; i < count; i++) {
      const sql = create(random)
      const promised = await promiseOf(sides().trained, sql)
      statements.set(sql, { promised, trained: await train(sides(), { sql, name: `${i}`, keys }) })
    }
    await before?.()
    const seen = { EXACT: 0, ROUNDING: 0, OPEN: 0 }
    const differing = { EXACT: 0, ROUNDING: 0, OPEN: 0 }
    for (const [sql, { promised, trained }] of statements) {
      const served = await serve(sides(), sql, keys)
      const { level } = overall(promised)
      seen[level] += 1
      const pairs = keys.map((key) => [trained.get(key) ?? [], served.get(key) ?? []] as const)
      if (pairs.some(([ours, theirs]) => `${ours.sort()}` !== `${theirs.sort()}`)) differing[level] += 1
      const compared = new Set(
        pairs.map(([ours, theirs]) => compareRows(ours, theirs, ofOneKey(promised, ['user_id']))),
      )
      expect([...compared], sql).not.toContain('DIFFERENT')
      expect([...compared], sql).not.toContain('ROUNDED')
    }
    expect(differing.EXACT).toBe(0)
    // Were nothing to differ, nothing would have been tried.
    expect(Math.min(differing.ROUNDING, differing.OPEN, seen.EXACT)).toBeGreaterThan(count / 25)
  }, 300_000)
}

function byKey(columns: readonly Column[], rows: readonly Row[], keys: readonly string[]): RowsByKey {
  const texts = new Map<string, string[]>(keys.map((key) => [key, []]))
  const write = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)
  for (const row of rows) {
    const own = texts.get(String(row[0]))
    if (own === undefined) continue
    own.push(JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])), write))
  }
  return texts
}

async function train(
  { trained, engine, datasetsFolder }: Sides,
  { sql, name, keys }: { sql: string; name: string; keys: readonly string[] },
): Promise<RowsByKey> {
  const path = join(datasetsFolder, `${name}.parquet`)
  const { columns } = await trained.exportParquet({ sql, path })
  return byKey(columns, (await engine.read(path, { columns })).rows, keys)
}

/** Some keys alone, the others at once: an engine goes about these in different ways. */
async function serve({ served }: Sides, sql: string, keys: readonly string[]): Promise<RowsByKey> {
  const asked = [...keys.slice(0, 4).map((key) => [key]), keys.slice(4)]
  const found: Row[] = []
  let columns: readonly Column[] = []
  for (const values of asked) {
    const result = await served.lookup({ sql, key: ['user_id'], values: values.map((value) => [value]) })
    columns = result.columns
    found.push(...result.rows)
  }
  return byKey(columns, found, keys)
}
