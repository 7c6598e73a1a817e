// The rows of a view as a file to be joined: all of them, or those of the entities that a spine asks about, and after the view's ETL.

import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Catalog } from '../../catalog/open.ts'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import { formatMicros, parseDays, parseMicros } from '../../values/calendar.ts'
import type { Column, Row, Value } from '../../values/columns.ts'
import { createKeyType, type KeyType, type KeyValues } from '../../values/entity-key.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import type { SetReference } from '../../warehouse/training-set.ts'
import { askTogether, inStatements, isPlainKey, type Pair } from './asked-together.ts'
import { columnOf, columnsOfReference, type RecipeReference } from './recipe.ts'

export interface RowFileOptions {
  catalog: Pick<Catalog, 'etls'>
  warehouse: Warehouse
  parquet: ParquetEngine
  etlEngine: EtlEngine
}

export interface RowFile {
  path: string
  columns: readonly Column[]
}

export interface Reading {
  spine: RowFile
  timestampColumn: string | null
  /** Beside it there may be other files. */
  temporaryPath: string
  signal: AbortSignal
  onProgress(fraction: number | null): void
}

/** The file, and what is compared besides the view's own keys. */
export interface FileOfRows {
  file: RowFile
  keys: SetReference['keys']
}

/** Of fewer keys their rows are looked up, rather than all rows of a view exported. */
const maxKeysLookedUp = 1000
/** A name that no column of a view has: the moment that a row was asked for. */
const askedAt: Column = { name: 'gateway asked at', type: 'TIMESTAMP', nullable: false, storage: 'TIMESTAMP' }

/** Keys that are asked about at each moment, by their texts. */
type Moments = ReadonlyMap<bigint, ReadonlyMap<string, KeyValues>>

/** Each a lookup of its own; of an engine that cannot do otherwise more are refused beyond the other. */
const fewMoments = 8
const mostMoments = 200

export function createRowFiles({ catalog, warehouse, parquet, etlEngine }: RowFileOptions) {
  const etlOf = async ({ etl }: RecipeReference) => (etl === null ? null : catalog.etls.byId(etl.id))

  async function rowsOf(made: RecipeReference, reading: Reading): Promise<FileOfRows> {
    const { temporaryPath, signal, onProgress } = reading
    const path = beside(temporaryPath, 'rows')
    const etl = await etlOf(made)
    const mayPick = etl === null || (await etlEngine.worksRowByRow(etl))
    const keys = mayPick ? await fewKeys(made, reading) : null
    const input =
      (keys !== null && (await lookUp(made, keys, path, signal))) ||
      (await warehouse.exportParquet({
        sql: made.sql,
        saved: made.columns,
        path,
        isIntermediate: true,
        signal,
        onProgress: ({ fraction }) => onProgress(fraction === null ? null : fraction / 2),
      }))
    if (etl === null) return { file: { path, columns: input.columns.map(asStored) }, keys: [] }
    const outputPath = beside(temporaryPath, 'output')
    const inputColumns = [...input.columns]
    const output = await etlEngine.runFile({ etl, inputPath: path, inputColumns, outputPath, signal })
    await rm(path, { force: true })
    const columns = columnsOfReference(made)
    if (output.rowCount > 0n) assertOutput(made, output.columns)
    // Of no rows an ETL shows no columns.
    else await parquet.writeFrames({ path: outputPath, columns, batches: [], signal })
    return { file: { path: outputPath, columns }, keys: [] }
  }

  /** Null where there are too many, or they cannot be looked up. */
  async function fewKeys(made: RecipeReference, { spine, signal }: Reading): Promise<KeyValues[] | null> {
    if (made.keys.some(({ key }) => !isOfQuery(made, key))) return null
    const columns = made.keys.map(({ column }) => columnOf(spine.columns, column))
    const { rows } = await parquet.read(spine.path, { columns, limit: maxKeysLookedUp + 1, signal })
    if (rows.length > maxKeysLookedUp) return null
    return [...keysOf(made, rows).values()]
  }

  /** Null where they have too many rows for a lookup. */
  async function lookUp(
    made: RecipeReference,
    values: readonly KeyValues[],
    path: string,
    signal: AbortSignal,
  ) {
    try {
      const key = made.keys.map((each) => each.key.name)
      const { sql, columns: saved } = made
      const { columns, rows } = await warehouse.lookup({ sql, saved, key, values, signal })
      return await parquet.writeFrames({ path, columns, batches: [rows], signal })
    } catch (error) {
      if (error instanceof AppError && error.code === 'TOO_LARGE') return null
      throw error
    }
  }

  /** Of a statement that asks for a moment: the rows of each entity as of each moment that it is asked about at, as a lookup then gives them. */
  async function askedRowsOf(made: RecipeReference, reading: Reading): Promise<FileOfRows> {
    const { spine, timestampColumn, temporaryPath, signal } = reading
    if (timestampColumn === null) throw new Error('The spine has no time')
    const path = beside(temporaryPath, 'asked')
    const columns = [...columnsOfReference(made).map(asStored), askedAt]
    const batches = askEach(made, await momentsOf(made, { ...reading, timestampColumn }), signal)
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
    signal: AbortSignal,
  ): AsyncGenerator<readonly Row[]> {
    const { sql, columns: saved } = made
    const key = made.keys.map((each) => each.key.name)
    if (
      moments.size > fewMoments &&
      warehouse.joinsLaterally &&
      made.keys.every((each) => isOfQuery(made, each.key))
    ) {
      const type = createKeyType(key.map((name) => columnOf(made.columns, name)))
      if (isPlainKey(type)) return yield* askSome(made, { moments, type, signal })
    }
    if (moments.size > mostMoments) throw tooManyMoments(made, moments.size)
    for (const [asOf, keys] of moments) {
      if (keys.size === 0) continue
      const values = [...keys.values()]
      const { columns, rows } = await warehouse.lookup({ sql, saved, key, values, asOf, signal })
      const given = await transformed(made, { columns, groups: byKey(made, columns, rows) }, signal)
      yield given.flat().map((row) => [...row, formatMicros(asOf)])
    }
  }

  async function* askSome(
    made: RecipeReference,
    { moments, type, signal }: { moments: Moments; type: KeyType; signal: AbortSignal },
  ): AsyncGenerator<readonly Row[]> {
    for (const pairs of inStatements(pairsOf(moments))) {
      const found = await askTogether(warehouse, made, { pairs, type, signal })
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
    const etl = await etlOf(made)
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

  return { rowsOf, askedRowsOf }
}

export function beside(path: string, what: string): string {
  return join(dirname(path), `${what}-${randomUUID()}.parquet`)
}

/** In a file a column's values are what its storage type says. */
export function asStored({ native: _, ...column }: Column): Column {
  return column
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

/** Of rows that begin with the values of the keys; what cannot be one of the view's keys has no rows. */
function keysOf({ keys }: RecipeReference, rows: readonly Row[]): Map<string, KeyValues> {
  const type = createKeyType(keys.map(({ key }) => key))
  const found = new Map<string, KeyValues>()
  for (const row of rows) {
    const key = type.ofCells(row.slice(0, keys.length))
    if (key) found.set(key.text, key.values)
  }
  return found
}

/** Of a timestamp, or of a day's first moment. */
function microsOf(cell: Value): bigint | null {
  if (typeof cell !== 'string') return null
  const days = cell.includes('T') ? null : parseDays(cell)
  return days === null ? parseMicros(cell) : BigInt(days) * 86_400_000_000n
}

function isOfQuery({ columns }: RecipeReference, { name, type }: Column): boolean {
  return columns.some((column) => column.name === name && column.type === type)
}

function assertOutput(made: RecipeReference, now: readonly Column[]): void {
  const differences = columnsOfReference(made).flatMap(({ name, type, storage }) => {
    const found = now.find((column) => column.name === name)
    if (found?.type === type && found.storage === storage) return []
    return [`"${name}" was ${storage} and is ${found?.storage ?? 'missing'}`]
  })
  if (differences.length === 0) return
  throw new AppError(
    'SCHEMA_MISMATCH',
    `The output of the ETL ${made.etl?.name} of the feature view ${made.view} differs from what it gave in training: ${differences.join('; ')}.`,
    { details: { differences } },
  )
}
