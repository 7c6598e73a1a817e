// Tables that change under statements that were planned before: each path gives the value and the type of now, or says that it does not.

import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { AppError } from '../../src/errors.ts'
import type { ParquetEngine } from '../../src/parquet/engine.ts'
import type { Column, Row } from '../../src/values/columns.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'

/** What a column `n` may be, and the value that its one row has then. */
export interface Variant {
  type: string
  value: unknown
}

export interface ChangingTable<V extends Variant> {
  warehouse: Warehouse
  parquet: ParquetEngine
  folder: string
  /** Gives one row with `k` = 'a' and `n`, and in between whatever else the table has. */
  sql: string
  variants: readonly V[]
  /** Makes the table of this variant, with columns before or after the others, or more of them, by chance. */
  change(variant: V): Promise<void>
}

interface Given {
  columns: readonly Column[]
  rows: readonly Row[]
}

/** The ways of reading a statement: a lookup of `k` = 'a', a scan, an export. */
export function pathsOf({
  warehouse,
  parquet,
  folder,
  sql,
}: Pick<ChangingTable<Variant>, 'warehouse' | 'parquet' | 'folder' | 'sql'>) {
  return [
    (saved?: readonly Column[]): Promise<Given> =>
      warehouse.lookup({ sql, saved, key: ['k'], values: [['a']] }),
    async (saved?: readonly Column[]): Promise<Given> => {
      const { columns, batches } = await warehouse.scan({ sql, saved, key: ['k'] })
      const rows: Row[] = []
      for await (const batch of batches) rows.push(...batch)
      return { columns, rows }
    },
    async (saved?: readonly Column[]): Promise<Given> => {
      const path = join(folder, `${crypto.randomUUID()}.parquet`)
      const { columns } = await warehouse.exportParquet({ sql, saved, path })
      return { columns, rows: (await parquet.read(path, { columns })).rows }
    },
  ]
}

function nOf({ columns, rows }: Given) {
  expect(rows).toHaveLength(1)
  const place = columns.findIndex(({ name }) => name === 'n')
  return { type: columns[place]?.type, value: rows[0]?.[place] }
}

/** One change after another, until the signal of a test that is over; counts the statements that ran. */
export async function changeInTurn<V extends Variant>(
  table: ChangingTable<V>,
  { steps, signal }: { steps: number; signal: AbortSignal },
): Promise<number> {
  const [first] = table.variants
  if (first === undefined) throw new Error('There is no variant')
  await table.change(first)
  const { columns } = await table.warehouse.describe(table.sql)
  const saved = columns.filter(({ name }) => name !== 'more')
  const savedN = saved.find(({ name }) => name === 'n')
  let statements = 0
  for (let step = 0; step < steps; step++) {
    signal.throwIfAborted()
    const variant = table.variants[step % 3 === 0 ? 0 : randomInt(table.variants.length)] ?? first
    await table.change(variant)
    for (const path of pathsOf(table)) {
      const given = await path()
      expect(nOf(given)).toEqual({ type: variant.type, value: variant.value })
      const now = given.columns.find(({ name }) => name === 'n')
      const held = await path(saved).catch((error: unknown) => error)
      if (now?.type === savedN?.type && now?.storage === savedN?.storage) {
        expect(held).not.toBeInstanceOf(Error)
        const picked = held as Given
        expect(picked.columns.map(({ name }) => name)).toEqual(saved.map(({ name }) => name))
        expect(nOf(picked)).toEqual({ type: variant.type, value: variant.value })
      } else {
        const differences = [expect.stringMatching(/^"n" was \S+ and is \S+/)]
        expect(held).toMatchObject({ code: 'SCHEMA_MISMATCH', details: { differences } })
      }
      statements += 2
    }
  }
  return statements
}

/**
 * Changes again and again until all paths together have answered so often, or the test is over by its signal: no value
 * is ever read as another type than it is told to be of.
 */
export async function changeMeanwhile<V extends Variant>(
  table: ChangingTable<V>,
  { answers, signal }: { answers: number; signal: AbortSignal },
) {
  const valid = new Set(table.variants.map(({ type, value }) => text({ type, value })))
  const counts = { changed: 0, answered: 0, refused: 0 }
  let readMs = 0
  let isOver = false
  const read = async (path: () => Promise<Given>) => {
    while (!isOver) {
      const startedMs = performance.now()
      try {
        const given = nOf(await path())
        expect(valid).toContain(text(given))
        counts.answered++
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        // Where a file is another at each of several tries, the last one's own failure is told.
        expect(['WAREHOUSE_FAILED', 'INVALID_SQL'], error.message).toContain(error.code)
        counts.refused++
      }
      readMs = performance.now() - startedMs
    }
  }
  const reading = Promise.all(pathsOf(table).map(read))
  reading.catch(() => {
    isOver = true
  })
  try {
    while (counts.answered < answers && !isOver) {
      const variant = table.variants[counts.changed++ % table.variants.length]
      if (variant !== undefined) await table.change(variant)
      // However slow the machine is, some reads meet no change, and some meet several.
      await sleep(Math.random() * 2 * readMs, undefined, { signal })
    }
  } finally {
    isOver = true
    await reading
  }
  return counts
}

const text = (given: { type: string | undefined; value: unknown }) =>
  JSON.stringify(given, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value))
