// The rows of a view as a file to be joined: all of them, or those of the entities that a spine asks about; then through the view's ETL.

import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Catalog } from '../../catalog/open.ts'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import type { Column, Row } from '../../values/columns.ts'
import { createKeyType, type KeyValues } from '../../values/entity-key.ts'
import type { Warehouse } from '../../warehouse/port.ts'
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
  /** Of the warehouse, that all of a set is read at. */
  snapshot: string
  signal: AbortSignal
  onProgress(fraction: number | null): void
}

/** The keys of a spine of so many rows are looked up, rather than all rows of a view exported. */
export const maxRowsLookedUp = 1000

export function createRowFiles({ catalog, warehouse, parquet, etlEngine }: RowFileOptions) {
  const etlOf = async ({ etl }: RecipeReference) => (etl === null ? null : catalog.etls.byId(etl.id))

  /** What its query gives, yet to go through its ETL. */
  async function read(made: RecipeReference, reading: Reading): Promise<RowFile> {
    const { temporaryPath, snapshot, signal, onProgress } = reading
    const path = beside(temporaryPath, 'rows')
    const etl = await etlOf(made)
    const mayPick = etl === null || (await etlEngine.worksRowByRow(etl))
    const keys = mayPick ? await fewKeys(made, reading) : null
    const { columns } =
      (keys !== null && (await lookUp(made, keys, { ...reading, path }))) ||
      (await warehouse.exportParquet({
        sql: made.sql,
        saved: made.columns,
        path,
        isIntermediate: true,
        snapshot,
        signal,
        onProgress: ({ fraction }) => onProgress(fraction),
      }))
    return { path, columns }
  }

  /** The rows of a reference as they are joined: the file that was read is gone where it went through an ETL. */
  async function throughEtl(
    made: RecipeReference,
    { path: inputPath, columns: given }: RowFile,
    { temporaryPath, signal }: Pick<Reading, 'temporaryPath' | 'signal'>,
  ): Promise<RowFile> {
    const etl = await etlOf(made)
    if (etl === null) return { path: inputPath, columns: given.map(asStored) }
    const outputPath = beside(temporaryPath, 'output')
    const output = await etlEngine.runFile({ etl, inputPath, inputColumns: [...given], outputPath, signal })
    await rm(inputPath, { force: true })
    const columns = columnsOfReference(made)
    if (output.rowCount > 0n) assertOutput(made, output.columns)
    // Of no rows an ETL shows no columns.
    else await parquet.writeFrames({ path: outputPath, columns, batches: [], signal })
    return { path: outputPath, columns }
  }

  /** Null where there are too many, or they cannot be looked up. */
  async function fewKeys(made: RecipeReference, { spine, signal }: Reading): Promise<KeyValues[] | null> {
    if (made.keys.some(({ key }) => !isOfQuery(made, key))) return null
    const columns = made.keys.map(({ column }) => columnOf(spine.columns, column))
    const { rows } = await parquet.read(spine.path, { columns, limit: maxRowsLookedUp + 1, signal })
    if (rows.length > maxRowsLookedUp) return null
    return [...keysOf(made, rows).values()]
  }

  /** Null where they have too many rows for a lookup, or one of them is none that the warehouse could hold. */
  async function lookUp(
    made: RecipeReference,
    values: readonly KeyValues[],
    { path, snapshot, signal }: Pick<Reading, 'snapshot' | 'signal'> & { path: string },
  ) {
    try {
      const key = made.keys.map((each) => each.key.name)
      const { sql, columns: saved } = made
      const { columns, rows } = await warehouse.lookup({ sql, saved, key, values, snapshot, signal })
      return await parquet.writeFrames({ path, columns, batches: [rows], signal })
    } catch (error) {
      const isPassing = error instanceof AppError && /^(TOO_LARGE|BAD_USER_INPUT)$/.test(error.code)
      if (isPassing) return null
      throw error
    }
  }

  return { read, throughEtl }
}

export function beside(path: string, what: string): string {
  return join(dirname(path), `${what}-${randomUUID()}.parquet`)
}

/** In a file a column's values are what its storage type says. */
export function asStored({ native: _, ...column }: Column): Column {
  return column
}

/** Of rows that begin with the values of the keys; what cannot be one of the view's keys has no rows. */
export function keysOf({ keys }: RecipeReference, rows: readonly Row[]): Map<string, KeyValues> {
  const type = createKeyType(keys.map(({ key }) => key))
  const found = new Map<string, KeyValues>()
  for (const row of rows) {
    const key = type.ofCells(row.slice(0, keys.length))
    if (key) found.set(key.text, key.values)
  }
  return found
}

export function isOfQuery({ columns }: RecipeReference, { name, type }: Column): boolean {
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
