// A training set being made: by one statement in the warehouse, or over files where rows come with the request or go through an ETL.

import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { duckdbAsOf } from '../../duckdb/as-of-join.ts'
import { AppError } from '../../errors.ts'
import { longestSql } from '../../sql/sql-text.ts'
import type { Column } from '../../values/columns.ts'
import { severalRows } from '../../warehouse/as-of-joins.ts'
import { composeWith } from '../../warehouse/set-statement.ts'
import { columnsOfSet, type SetReference, type TrainingSet } from '../../warehouse/training-set.ts'
import type { RunResult } from '../run.ts'
import {
  columnOf,
  columnsOfReference,
  type RecipeReference,
  type SetRecipe,
  toSetReference,
} from './recipe.ts'
import {
  asStored,
  beside,
  createRowFiles,
  type FileOfRows,
  type RowFile,
  type RowFileOptions,
} from './row-files.ts'
import { runServiceEtl } from './service-etl.ts'

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

/** The name of a file in the statement that joins them. */
interface NamedFile extends RowFile {
  name: string
}

interface ReadFiles {
  inputs: readonly NamedFile[]
  references: readonly SetReference[]
  spine: RowFile
}

/** What is written without a pause is not waited for. */
const maxReads = 3

export function createSetRun(options: RowFileOptions) {
  const { warehouse, parquet } = options
  const { rowsOf, askedRowsOf } = createRowFiles(options)

  async function run(asked: SetRun): Promise<RunResult> {
    const { recipe, path, temporaryPath, signal } = asked
    const etl = recipe.service?.etl
    if (etl == null) return join(asked)
    const joinedPath = beside(temporaryPath, 'joined')
    const inside = { ...recipe, references: recipe.references.map(withInnerNames) }
    const joined = await join({ ...asked, recipe: inside, path: joinedPath })
    const features = recipe.references.flatMap((made) =>
      made.features.map(({ column, name }) => ({
        column: { ...columnOf(columnsOfReference(made), column), name },
        from: innerName(name),
      })),
    )
    return runServiceEtl(options, {
      etl: await options.catalog.etls.byId(etl.id),
      input: [...etl.entity.map((column) => ({ column, from: column.name })), ...features],
      outputColumns: etl.columns,
      passed: joined.columns.slice(0, recipe.spine.columns.length),
      joined: { path: joinedPath, columns: joined.columns.map(asStored) },
      path,
      temporaryPath,
      signal,
    })
  }

  async function join(asked: SetRun): Promise<RunResult> {
    const set = await inWarehouse(asked.recipe)
    return set === null ? overFiles(asked) : byStatement(set, asked)
  }

  /** Null where the warehouse cannot make it by itself. */
  async function inWarehouse({ spine, references, ...recipe }: SetRecipe): Promise<TrainingSet | null> {
    if (spine.kind !== 'statement' || references.some(({ etl }) => etl !== null)) return null
    const joined: SetReference[] = []
    for (const made of references) {
      const asking = made.asksForMoment ? `moment_${randomBytes(12).toString('hex')}` : null
      const sql = asking === null ? made.sql : await warehouse.atMoment(made.sql, asking)
      joined.push(toSetReference(made, { sql, columns: made.columns, spine: spine.columns, asking }))
    }
    const { timestampColumn, knownAsOf } = recipe
    const timestamp = timestampColumn === null ? null : columnOf(spine.columns, timestampColumn)
    return { spine, timestamp, knownAsOf, references: joined }
  }

  async function byStatement(set: TrainingSet, asked: SetRun): Promise<RunResult> {
    const { recipe, path, temporaryPath, signal, onProgress } = asked
    const composed = warehouse.composeTrainingSet(set)
    if (composed === null || composed.ways.some(({ length }) => length > longestSql)) return overFiles(asked)
    const { ways, checks } = composed
    for (const { place, sql } of checks) {
      const checkPath = beside(temporaryPath, 'check')
      const { columns } = await warehouse.exportParquet({
        sql,
        path: checkPath,
        isIntermediate: true,
        signal,
      })
      await refuseSeveralRows(recipe, place, { path: checkPath, columns })
    }
    const [sql, ...otherwise] = ways
    const saved = columnsOfSet(set)
    try {
      return await warehouse.exportParquet({
        sql,
        otherwise,
        saved,
        path,
        signal,
        onProgress: ({ fraction }) => onProgress(fraction),
      })
    } catch (error) {
      throw explainSeveral(error, recipe)
    }
  }

  /** Where the statement has found several rows of one key and moment, of which. */
  function explainSeveral(error: unknown, { references }: SetRecipe): unknown {
    if (!(error instanceof AppError)) return error
    const [, place, key] = new RegExp(`${severalRows} (\\d+): ([^"\n]*)`).exec(error.message) ?? []
    const made = references[Number(place)]
    return made === undefined || key === undefined ? error : hasSeveral(made, key)
  }

  async function refuseSeveralRows(
    { references }: SetRecipe,
    place: number,
    { path, columns }: RowFile,
  ): Promise<void> {
    const { rows } = await parquet.read(path, { columns, limit: 1 })
    await rm(path, { force: true })
    const [row] = rows
    if (row === undefined) return
    const key = columns.map(({ name }, i) => `${name} ${String(row[i])}`).join(', ')
    const made = references[place]
    if (made !== undefined) throw hasSeveral(made, key)
  }

  async function overFiles(asked: SetRun): Promise<RunResult> {
    const { recipe, path, temporaryPath, signal, onProgress } = asked
    const { inputs, references, spine } = await readFiles(asked)
    const { timestampColumn, knownAsOf } = recipe
    const timestamp = timestampColumn === null ? null : columnOf(spine.columns, timestampColumn)
    const relation = { sql: 'SELECT * FROM temp.spine', columns: spine.columns }
    const composed = composeWith(duckdbAsOf, { spine: relation, timestamp, knownAsOf, references }, ['asof'])
    if (composed === null) throw new Error('The engine cannot join files')
    for (const { place, sql } of composed.checks) {
      const outputPath = beside(temporaryPath, 'check')
      const { columns } = await parquet.runOver({ sql, inputs, outputPath, signal })
      await refuseSeveralRows(recipe, place, { path: outputPath, columns })
    }
    const [sql] = composed.ways
    return parquet.runOver({ sql, inputs, outputPath: path, signal, onProgress })
  }

  /** Reads again where the gateway has written in between, so that all are of one state of what it writes. */
  async function readFiles(asked: SetRun): Promise<ReadFiles> {
    const reads = asked.recipe.references.length + (asked.recipe.spine.kind === 'statement' ? 1 : 0)
    for (let tries = 1; ; tries++) {
      const before = reads > 1 ? await warehouse.version() : 0
      const found = await readEach(asked)
      const isOneState = reads <= 1 || (await warehouse.version()) === before
      if (isOneState || tries === maxReads) return found
      await Promise.all(
        found.inputs.filter(({ path }) => path !== asked.spinePath).map(({ path }) => rm(path)),
      )
    }
  }

  async function readEach(asked: SetRun): Promise<ReadFiles> {
    const { recipe, temporaryPath, signal } = asked
    const steps = recipe.references.length + 2
    let done = 0
    const onProgress = (fraction: number | null) =>
      asked.onProgress(fraction === null ? null : (done + fraction) / steps)
    const spine = await spineFile(asked, onProgress)
    const inputs: NamedFile[] = [{ name: 'spine', ...spine }]
    const references: SetReference[] = []
    /** A view that is taken twice is read once. */
    const read = new Map<string, FileOfRows & { name: string }>()
    for (const [i, made] of recipe.references.entries()) {
      done++
      const reading = { ...recipe, temporaryPath, signal, onProgress, spine }
      const { queryId, etl, keys: by } = made
      const sameRows = JSON.stringify([queryId, etl?.id, by])
      const known = read.get(sameRows)
      const { file, keys } =
        known ?? (await (made.asksForMoment ? askedRowsOf(made, reading) : rowsOf(made, reading)))
      const name = known?.name ?? `rows${i}`
      if (known === undefined) inputs.push({ name, ...file })
      read.set(sameRows, { file, keys, name })
      const from = { sql: `SELECT * FROM temp.${name}`, columns: file.columns, spine: spine.columns }
      const own = toSetReference({ ...made, isExact: true }, from)
      references.push({ ...own, keys: [...own.keys, ...keys] })
    }
    return { inputs, references, spine }
  }

  async function spineFile(
    { recipe: { spine }, spinePath, temporaryPath, signal }: SetRun,
    onProgress: (fraction: number | null) => void,
  ): Promise<{ path: string; columns: readonly Column[] }> {
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
      onProgress: ({ fraction }) => onProgress(fraction),
    })
    return { path, columns: columns.map(asStored) }
  }

  /** The statement that the warehouse makes it by; null where it is made over files. */
  async function statementOf(recipe: SetRecipe): Promise<string | null> {
    const set = await inWarehouse(recipe)
    return (set && warehouse.composeTrainingSet(set)?.ways[0]) ?? null
  }

  return { run, statementOf }
}

/** What goes into an ETL may be named as the spine's columns are. */
const innerName = (name: string) => `gateway feature ${name}`

function withInnerNames(made: RecipeReference): RecipeReference {
  return { ...made, features: made.features.map(({ column, name }) => ({ column, name: innerName(name) })) }
}

function hasSeveral({ view, asksForMoment }: RecipeReference, key: string): AppError {
  const message = asksForMoment
    ? `The feature view ${view} has several rows of one key as of one moment, which a training set has no room for: of ${key}, for one. Let its query give one row a key.`
    : `The feature view ${view} has no timestamp column, so that its rows are joined by the key alone, and ${key} has several; make it a view with one row a key, or with a timestampColumn.`
  return new AppError('BAD_USER_INPUT', message, { details: { view } })
}
