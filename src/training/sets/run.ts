// A training set being made: by one statement in the warehouse, or over files where rows come with the request or go through an ETL.

import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Catalog } from '../../catalog/open.ts'
import { duckdbAsOf } from '../../duckdb/as-of-join.ts'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import type { Column } from '../../values/columns.ts'
import { createKeyType, type KeyValues } from '../../values/entity-key.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import { columnsOfSet, composeWith, type TrainingSet } from '../../warehouse/training-set.ts'
import type { RunResult } from '../run.ts'
import {
  columnOf,
  columnsOfReference,
  type RecipeReference,
  type RecipeSpine,
  type SetRecipe,
  toSetReference,
} from './recipe.ts'

export interface SetRunOptions {
  catalog: Pick<Catalog, 'etls'>
  warehouse: Warehouse
  parquet: ParquetEngine
  etlEngine: EtlEngine
}

export interface SetRun {
  recipe: SetRecipe
  /** Where the spine's rows are, of a spine that is no statement. */
  spinePath: string | null
  /** Where the set is to be; beside `temporaryPath` there may be other files. */
  path: string
  temporaryPath: string
  signal: AbortSignal
  onProgress(fraction: number | null): void
}

/** Of fewer keys their rows are looked up, rather than all rows of a view exported. */
const maxKeysLookedUp = 1000

export function createSetRun(options: SetRunOptions) {
  const { catalog, warehouse, parquet, etlEngine } = options

  return {
    /** The set as its warehouse makes it; null where that cannot. */
    statementOf,
    run: (asked: SetRun): Promise<RunResult> => {
      const set = statementOf(asked.recipe)
      return set === null ? overFiles(asked) : inWarehouse(set, asked)
    },
  }

  function statementOf({ spine, references, ...recipe }: SetRecipe): TrainingSet | null {
    if (spine.kind !== 'statement' || references.some(({ etl }) => etl !== null)) return null
    const { timestampColumn, knownAsOf } = recipe
    return {
      spine,
      timestamp: timestampColumn === null ? null : columnOf(spine.columns, timestampColumn),
      knownAsOf,
      references: references.map((made) =>
        toSetReference(made, { sql: made.sql, columns: made.columns, spine: spine.columns }),
      ),
    }
  }

  async function inWarehouse(
    set: TrainingSet,
    { recipe, path, temporaryPath, signal, onProgress }: SetRun,
  ): Promise<RunResult> {
    const { ways, checks } = warehouse.composeTrainingSet(set)
    for (const { place, sql } of checks) {
      const checkPath = beside(temporaryPath, 'check')
      const { columns } = await warehouse.exportParquet({
        sql,
        path: checkPath,
        isIntermediate: true,
        signal,
      })
      await refuseSeveralRows(recipe.references[place], { path: checkPath, columns })
    }
    const [sql, ...otherwise] = ways
    return warehouse.exportParquet({
      sql,
      otherwise,
      saved: columnsOfSet(set),
      path,
      signal,
      onProgress: ({ fraction }) => onProgress(fraction),
    })
  }

  async function refuseSeveralRows(
    made: RecipeReference | undefined,
    { path, columns }: { path: string; columns: readonly Column[] },
  ): Promise<void> {
    const { rows } = await parquet.read(path, { columns, limit: 1 })
    await rm(path, { force: true })
    const [row] = rows
    if (row === undefined) return
    const key = columns.map(({ name }, i) => `${name} ${String(row[i])}`).join(', ')
    throw new AppError(
      'BAD_USER_INPUT',
      `The feature view ${made?.view} has no timestamp column, so that its rows are joined by the key alone, and ${key} has several; make it a view with one row a key, or with a timestampColumn.`,
      { details: { view: made?.view ?? '' } },
    )
  }

  async function overFiles(asked: SetRun): Promise<RunResult> {
    const { recipe, path, signal, onProgress } = asked
    const steps = recipe.references.length + 2
    let done = 0
    const step = (fraction: number | null) => onProgress(fraction === null ? null : (done + fraction) / steps)
    const spine = await spineFile(asked, step)
    done++
    const inputs: { name: string; path: string; columns: readonly Column[] }[] = [{ name: 'spine', ...spine }]
    const references: TrainingSet['references'][number][] = []
    for (const [i, made] of recipe.references.entries()) {
      const file = await rowsOf(made, { ...asked, onProgress: step }, spine)
      const name = `rows${i}`
      inputs.push({ name, ...file })
      const sql = `SELECT * FROM temp.${name}`
      const own = toSetReference(
        { ...made, isExact: true },
        { sql, columns: file.columns, spine: spine.columns },
      )
      references.push(own)
      done++
    }
    const { timestampColumn, knownAsOf } = recipe
    const set: TrainingSet = {
      spine: { sql: 'SELECT * FROM temp.spine', columns: spine.columns },
      timestamp: timestampColumn === null ? null : columnOf(spine.columns, timestampColumn),
      knownAsOf,
      references,
    }
    const { ways, checks } = composeWith(duckdbAsOf, set, ['asof'])
    for (const { place, sql } of checks) {
      const outputPath = beside(asked.temporaryPath, 'check')
      const { columns } = await parquet.runOver({ sql, inputs, outputPath, signal })
      await refuseSeveralRows(recipe.references[place], { path: outputPath, columns })
    }
    return parquet.runOver({ sql: ways[0], inputs, outputPath: path, signal, onProgress: step })
  }

  async function spineFile(
    { recipe: { spine }, spinePath, temporaryPath, signal }: SetRun,
    step: (fraction: number | null) => void,
  ) {
    if (spine.kind !== 'statement') {
      if (spinePath === null) throw new Error('The rows of the spine are nowhere')
      return { path: spinePath, columns: spine.columns.map(asStored) }
    }
    const path = beside(temporaryPath, 'spine')
    const { columns } = await warehouse.exportParquet({
      sql: spine.sql,
      saved: spine.columns,
      path,
      isIntermediate: true,
      signal,
      onProgress: ({ fraction }) => step(fraction),
    })
    return { path, columns: columns.map(asStored) }
  }

  /** A file of the view's rows, of all or at least of those that the spine asks about. */
  async function rowsOf(
    made: RecipeReference,
    { recipe, temporaryPath, signal, onProgress }: SetRun,
    spine: { path: string; columns: readonly Column[] },
  ) {
    const path = beside(temporaryPath, 'rows')
    const etl = made.etl === null ? null : await catalog.etls.byId(made.etl.id)
    const mayPick = etl === null || (await etlEngine.worksRowByRow(etl))
    const keys = mayPick ? await fewKeys(made, recipe.spine, spine, signal) : null
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
    if (etl === null) return { path, columns: input.columns.map(asStored) }
    const outputPath = beside(temporaryPath, 'output')
    const output = await etlEngine.runFile({
      etl,
      inputPath: path,
      inputColumns: [...input.columns],
      outputPath,
      signal,
    })
    await rm(path, { force: true })
    const columns = output.rowCount === 0n ? columnsOfReference(made) : output.columns
    if (output.rowCount > 0n) assertOutput(made, columns)
    return output.rowCount === 0n ? emptyFile(outputPath, columns, signal) : { path: outputPath, columns }
  }

  async function emptyFile(path: string, columns: readonly Column[], signal: AbortSignal) {
    await parquet.writeFrames({ path, columns, batches: [], signal })
    return { path, columns }
  }

  /** Null where there are too many, or they cannot be looked up. */
  async function fewKeys(
    made: RecipeReference,
    { kind }: RecipeSpine,
    spine: { path: string; columns: readonly Column[] },
    signal: AbortSignal,
  ): Promise<KeyValues[] | null> {
    if (kind === 'statement' || made.keys.some(({ key }) => !isOfQuery(made, key))) return null
    const columns = made.keys.map(({ column }) => columnOf(spine.columns, column))
    const { rows } = await parquet.read(spine.path, { columns, limit: maxKeysLookedUp + 1, signal })
    if (rows.length > maxKeysLookedUp) return null
    const type = createKeyType(made.keys.map(({ key }) => key))
    const keys = new Map<string, KeyValues>()
    for (const row of rows) {
      const key = type.ofCells(row)
      if (key) keys.set(key.text, key.values)
    }
    return [...keys.values()]
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
      const { columns, rows } = await warehouse.lookup({
        sql: made.sql,
        saved: made.columns,
        key,
        values,
        signal,
      })
      return await parquet.writeFrames({ path, columns, batches: [rows], signal })
    } catch (error) {
      if (error instanceof AppError && error.code === 'TOO_LARGE') return null
      throw error
    }
  }
}

function beside(path: string, what: string): string {
  return join(dirname(path), `${what}-${randomUUID()}.parquet`)
}

/** In a file a column's values are what its storage type says. */
function asStored({ native: _, ...column }: Column): Column {
  return column
}

function isOfQuery({ columns }: RecipeReference, { name, type }: Column): boolean {
  return columns.some((column) => column.name === name && column.type === type)
}

function assertOutput(made: RecipeReference, now: readonly Column[]): void {
  const differences = columnsOfReference(made).flatMap(({ name, type }) => {
    const found = now.find((column) => column.name === name)
    return found?.type === type ? [] : [`"${name}" was ${type} and is ${found?.type ?? 'missing'}`]
  })
  if (differences.length === 0) return
  throw new AppError(
    'SCHEMA_MISMATCH',
    `The output of the ETL ${made.etl?.name} of the feature view ${made.view} differs from what it gave in training: ${differences.join('; ')}.`,
    { details: { differences } },
  )
}
