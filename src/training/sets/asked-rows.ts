// The rows of a view whose query calls as_of(): those of each entity as of each moment that a spine asks about it at, after the view's ETL.

import { AppError } from '../../errors.ts'
import { formatMicros, parseDays, parseMicros } from '../../values/calendar.ts'
import type { Column, Row, Value } from '../../values/columns.ts'
import { createKeyType, type KeyType, type KeyValues } from '../../values/entity-key.ts'
import type { SetReference } from '../../warehouse/training-set.ts'
import { askTogether, inStatements, isPlainKey, type Pair } from './asked-together.ts'
import { columnOf, columnsOfReference, type RecipeReference } from './recipe.ts'
import {
  asStored,
  beside,
  isOfQuery,
  keysOf,
  type Reading,
  type RowFile,
  type RowFileOptions,
} from './row-files.ts'

/** The file, and what is compared besides the view's own keys. */
export interface FileOfRows {
  file: RowFile
  keys: SetReference['keys']
}

type AskReading = Pick<Reading, 'snapshot' | 'signal'>

/** A name that no column of a view has: the moment that a row was asked for. */
const askedAt: Column = { name: 'gateway asked at', type: 'TIMESTAMP', nullable: false, storage: 'TIMESTAMP' }

/** Keys that are asked about at each moment, by their texts. */
type Moments = ReadonlyMap<bigint, ReadonlyMap<string, KeyValues>>

/** Each a lookup of its own; of an engine that cannot do otherwise more are refused beyond the other. */
const fewMoments = 8
const mostMoments = 200

export function createAskedRows({ catalog, warehouse, parquet, etlEngine }: RowFileOptions) {
  /** Of a statement that asks for a moment: the rows of each entity as of each moment that it is asked about at, as a lookup then gives them. */
  async function askedRowsOf(made: RecipeReference, reading: Reading): Promise<FileOfRows> {
    const { spine, timestampColumn, temporaryPath, signal } = reading
    if (timestampColumn === null) throw new Error('The spine has no time')
    const path = beside(temporaryPath, 'asked')
    const columns = [...columnsOfReference(made).map(asStored), askedAt]
    const batches = askEach(made, await momentsOf(made, { ...reading, timestampColumn }), reading)
    await parquet.writeFrames({ path, columns, batches, signal })
    const keys = [{ key: askedAt, column: columnOf(spine.columns, timestampColumn) }]
    return { file: { path, columns }, keys }
  }

  async function momentsOf(
    made: RecipeReference,
    { spine, timestampColumn, signal }: Reading & { timestampColumn: string },
  ): Promise<Moments> {
    const names = [...made.keys.map(({ column }) => column), timestampColumn]
    const columns = names.map((name) => columnOf(spine.columns, name))
    const moments = new Map<bigint, Map<string, KeyValues>>()
    for await (const rows of parquet.scan(spine.path, { columns, signal }))
      for (const row of rows) {
        const moment = microsOf(row.at(-1) ?? null)
        if (moment === null) continue
        const keys = moments.get(moment) ?? new Map<string, KeyValues>()
        moments.set(moment, keys)
        for (const [text, values] of keysOf(made, [row])) keys.set(text, values)
      }
    return moments
  }

  async function* askEach(
    made: RecipeReference,
    moments: Moments,
    reading: AskReading,
  ): AsyncGenerator<readonly Row[]> {
    const { sql, columns: saved } = made
    const { snapshot, signal } = reading
    const key = made.keys.map((each) => each.key.name)
    if (
      moments.size > fewMoments &&
      warehouse.joinsLaterally &&
      made.keys.every((each) => isOfQuery(made, each.key))
    ) {
      const type = createKeyType(key.map((name) => columnOf(made.columns, name)))
      if (isPlainKey(type)) return yield* askSome(made, { ...reading, moments, type })
    }
    if (moments.size > mostMoments) throw tooManyMoments(made, moments.size)
    for (const [asOf, keys] of moments) {
      if (keys.size === 0) continue
      const values = [...keys.values()]
      const { columns, rows } = await warehouse.lookup({ sql, saved, key, values, asOf, snapshot, signal })
      const given = await transformed(made, { columns, groups: byKey(made, columns, rows) }, signal)
      yield given.flat().map((row) => [...row, formatMicros(asOf)])
    }
  }

  async function* askSome(
    made: RecipeReference,
    { moments, type, snapshot, signal }: AskReading & { moments: Moments; type: KeyType },
  ): AsyncGenerator<readonly Row[]> {
    for (const pairs of inStatements(pairsOf(moments))) {
      const found = await askTogether(warehouse, made, { pairs, type, snapshot, signal })
      const given = await transformed(made, found, signal)
      yield given.flatMap((rows, i) => rows.map((row) => [...row, formatMicros(pairs[i]?.moment ?? 0n)]))
    }
  }

  /** Each group goes through the ETL on its own, as in a lookup; one without rows gives none. */
  async function transformed(
    made: RecipeReference,
    { columns, groups }: { columns: readonly Column[]; groups: readonly (readonly Row[])[] },
    signal: AbortSignal,
  ): Promise<readonly (readonly Row[])[]> {
    const etl = made.etl && (await catalog.etls.byId(made.etl.id))
    const filled = groups.filter((rows) => rows.length > 0)
    if (etl === null || filled.length === 0) return groups
    const results = await etlEngine.runGroups({
      etl,
      inputColumns: columns,
      groups: filled,
      outputColumns: columnsOfReference(made),
      signal,
    })
    let next = 0
    return groups.map((rows) => {
      const result = rows.length === 0 ? undefined : results[next++]
      if (result?.ok === false) throw result.error
      return result?.frame.rows ?? []
    })
  }

  return askedRowsOf
}

function* pairsOf(moments: Moments): Generator<Pair> {
  for (const [moment, keys] of moments) for (const values of keys.values()) yield { values, moment }
}

function byKey(made: RecipeReference, columns: readonly Column[], rows: readonly Row[]): Row[][] {
  const type = createKeyType(made.keys.map(({ key }) => columnOf(columns, key.name)))
  const places = type.names.map((name) => columns.findIndex((column) => column.name === name))
  return [...Map.groupBy(rows, (row) => type.textOfRow(row, places)).values()]
}

function tooManyMoments({ view }: RecipeReference, moments: number): AppError {
  return new AppError(
    'TOO_LARGE',
    `The spine asks about ${moments} moments, and the query of the feature view ${view}, which calls as_of(), is run once for each here: at most ${mostMoments} are. Round the spine's times, or ask for fewer at once.`,
    { details: { view, moments, most: mostMoments } },
  )
}

/** Of a timestamp, or of a day's first moment. */
function microsOf(cell: Value): bigint | null {
  if (typeof cell !== 'string') return null
  const days = cell.includes('T') ? null : parseDays(cell)
  return days === null ? parseMicros(cell) : BigInt(days) * 86_400_000_000n
}
