// A training set being made: by one statement in the warehouse, or over files where rows come with the request or go through an ETL.

import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { duckdbAsOf } from '../../duckdb/as-of-join.ts'
import { AppError } from '../../errors.ts'
import { longestSql, quoteName } from '../../sql/sql-text.ts'
import { severalRows } from '../../warehouse/as-of-joins.ts'
import { isRefusalOfRows } from '../../warehouse/given-rows.ts'
import type { GivenRows } from '../../warehouse/port.ts'
import { composeWith } from '../../warehouse/set-statement.ts'
import {
  columnsOfSet,
  type SetReference,
  type SetRelation,
  type TrainingSet,
} from '../../warehouse/training-set.ts'
import type { RunResult } from '../run.ts'
import { giveSpine, isSmall, place, withFeatures } from './given-spine.ts'
import {
  columnOf,
  columnsOfReference,
  type RecipeReference,
  type SetRecipe,
  toSetReference,
} from './recipe.ts'
import { asStored, beside, type RowFile, type RowFileOptions } from './row-files.ts'
import { runServiceEtl } from './service-etl.ts'
import { createSetFiles, givenFile, type NamedFile, type SetRun } from './set-files.ts'

export function createSetRun(options: RowFileOptions) {
  const { warehouse, parquet } = options
  const readFiles = createSetFiles(options)

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
    const { recipe, spinePath, signal } = asked
    if (recipe.references.some(({ etl }) => etl !== null)) return overFiles(asked)
    const made =
      recipe.spine.kind === 'statement'
        ? await byStatement(recipe.spine, asked)
        : await besideSpine(givenFile(recipe.spine, spinePath), asked)
    signal.throwIfAborted()
    return made ?? overFiles(asked)
  }

  /** The spine's rows are given to the warehouse, which finds the features of each. */
  async function besideSpine(spine: RowFile, asked: SetRun): Promise<RunResult | null> {
    const { path, temporaryPath, signal } = asked
    if (await isSmall(parquet, spine, signal)) return null
    const given = await giveSpine(parquet, spine, asked)
    if (given === null) return null
    const featuresPath = beside(temporaryPath, 'features')
    const features = await byStatement(given.relation, { ...asked, path: featuresPath }, given.rows)
    await rm(given.rows.path, { force: true })
    if (features === null) return null
    const columns = features.columns.map(asStored)
    return withFeatures(parquet, { spine, features: [{ path: featuresPath, columns }], path, signal })
  }

  /** As the warehouse is asked for it: `spine` has the columns that the references name. */
  async function setOver(spine: SetRelation, recipe: SetRecipe): Promise<TrainingSet> {
    const references: SetReference[] = []
    for (const made of recipe.references) {
      const asking = made.asksForMoment ? `moment_${randomBytes(12).toString('hex')}` : null
      const sql = asking === null ? made.sql : await warehouse.atMoment(made.sql, asking)
      references.push(toSetReference(made, { sql, columns: made.columns, spine: spine.columns, asking }))
    }
    const { timestampColumn, knownAsOf } = recipe
    const timestamp = timestampColumn === null ? null : columnOf(spine.columns, timestampColumn)
    return { spine, timestamp, knownAsOf, references }
  }

  /** Null where the warehouse cannot make it by itself; of rows that it is given, their places and the features alone. */
  async function byStatement(
    spine: SetRelation,
    asked: SetRun,
    given?: GivenRows,
  ): Promise<RunResult | null> {
    const { recipe, path, signal, onProgress } = asked
    const set = await setOver(spine, recipe)
    const ways = warehouse.composeTrainingSet(set)
    if (ways === null || ways.some(({ length }) => length > longestSql)) return null
    const [sql, ...otherwise] = ways
    const saved = columnsOfSet(set).filter(
      ({ name }, i) => given === undefined || name === place.name || i >= spine.columns.length,
    )
    try {
      return await warehouse.exportParquet({
        sql,
        otherwise,
        saved,
        given,
        path,
        isIntermediate: given !== undefined,
        signal,
        onProgress: ({ fraction }) => onProgress(fraction),
      })
    } catch (error) {
      if (isRefusalOfRows(error)) return null
      throw explainSeveral(error, recipe)
    }
  }

  /** Where the statement has found several rows of one key and moment, of which. */
  function explainSeveral(error: unknown, { references }: Pick<SetRecipe, 'references'>): unknown {
    if (!(error instanceof AppError)) return error
    const [, place, key] = new RegExp(`${severalRows} (\\d+): ([^"\n]*)`).exec(error.message) ?? []
    const made = references[Number(place)]
    return made === undefined || key === undefined ? error : hasSeveral(made, key)
  }

  async function overFiles(asked: SetRun): Promise<RunResult> {
    const { recipe, path, signal, onProgress } = asked
    const { inputs, references, spine } = await readFiles(asked)
    const { timestampColumn, knownAsOf } = recipe
    const timestamp = timestampColumn === null ? null : columnOf(spine.columns, timestampColumn)
    const relation = { sql: 'SELECT * FROM temp.spine', columns: spine.columns }
    const set = { spine: relation, timestamp, knownAsOf, references }
    try {
      const sql = overFilesOf(set)
      if (sql.length > longestJoin) return await inParts(set, { asked, inputs, spine })
      return await parquet.runOver({ sql, inputs, outputPath: path, signal, onProgress })
    } catch (error) {
      throw explainSeveral(error, recipe)
    }
  }

  /** Joins of so many references as one statement may have, of the spine's keys alone; then all that was found beside the spine. */
  async function inParts(
    set: TrainingSet,
    { asked, inputs, spine }: { asked: SetRun; inputs: readonly NamedFile[]; spine: RowFile },
  ): Promise<RunResult> {
    const { recipe, path, temporaryPath, signal, onProgress } = asked
    const names = new Set(set.references.flatMap(({ keys }) => keys.map(({ column }) => column.name)))
    if (set.timestamp !== null) names.add(set.timestamp.name)
    const columns = [place, ...spine.columns.filter(({ name }) => names.has(name))]
    const sql = `SELECT *, row_number() OVER () AS ${quoteName(place.name)} FROM temp.spine`
    const parts = splitToFit({ ...set, spine: { sql, columns } })
    const features: RowFile[] = []
    let before = 0
    for (const part of parts) {
      const outputPath = beside(temporaryPath, 'features')
      const references = recipe.references.slice(before, before + part.references.length)
      before += references.length
      const all = await parquet
        .runOver({ sql: overFilesOf(part), inputs, outputPath, signal })
        .catch((error: unknown) => {
          throw explainSeveral(error, { references })
        })
      const found = all.columns.filter(({ name }, i) => name === place.name || i >= columns.length)
      features.push({ path: outputPath, columns: found.map(asStored) })
      onProgress(features.length / (parts.length + 1))
    }
    return withFeatures(parquet, { spine, features, path, signal })
  }

  /** The statement that the warehouse makes it by; null where it is made over files. */
  async function statementOf(recipe: SetRecipe): Promise<string | null> {
    const { spine, references } = recipe
    if (spine.kind !== 'statement' || references.some(({ etl }) => etl !== null)) return null
    return warehouse.composeTrainingSet(await setOver(spine, recipe))?.[0] ?? null
  }

  return { run, statementOf }
}

function overFilesOf(set: TrainingSet): string {
  const [sql] = composeWith(duckdbAsOf, set, ['asof']) ?? []
  if (sql === undefined) throw new Error('The engine cannot join files')
  return sql
}

/** In characters, of some 25 references: of four times as many planning and joining take the engine fourteen times as long. */
const longestJoin = 30_000

/** In the references' order. */
function splitToFit(set: TrainingSet): readonly TrainingSet[] {
  const { references } = set
  if (references.length === 1 || overFilesOf(set).length <= longestJoin) return [set]
  const middle = Math.ceil(references.length / 2)
  return [references.slice(0, middle), references.slice(middle)].flatMap((half) =>
    splitToFit({ ...set, references: half }),
  )
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
