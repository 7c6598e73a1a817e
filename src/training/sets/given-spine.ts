// A spine's rows that come with a request, given to a warehouse that makes the rest: of them the keys and the times alone; the others wait for its answer.

import { randomBytes } from 'node:crypto'
import { duckdbAsOf } from '../../duckdb/as-of-join.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Column } from '../../values/columns.ts'
import { isGivable } from '../../warehouse/given-rows.ts'
import type { GivenRows } from '../../warehouse/port.ts'
import type { SetRelation } from '../../warehouse/training-set.ts'
import type { RunResult } from '../run.ts'
import { columnOf, type SetRecipe } from './recipe.ts'
import { beside, maxRowsLookedUp, type RowFile } from './row-files.ts'

/** A name that no caller's column has. */
export const place: Column = { name: 'gateway place', type: 'INT64', nullable: false, storage: 'BIGINT' }

export interface GivenSpine {
  rows: GivenRows
  relation: SetRelation
}

/** Whether the keys are so few that their rows are better looked up. */
export async function isSmall(
  parquet: Pick<ParquetEngine, 'read'>,
  { path, columns }: RowFile,
  signal: AbortSignal,
): Promise<boolean> {
  const { rows } = await parquet.read(path, {
    columns: columns.slice(0, 1),
    limit: maxRowsLookedUp + 1,
    signal,
  })
  return rows.length <= maxRowsLookedUp
}

/** Null where a key is of a type that not every engine has. */
export async function giveSpine(
  parquet: Pick<ParquetEngine, 'runOver'>,
  spine: RowFile,
  {
    recipe: { references, timestampColumn },
    temporaryPath,
    signal,
  }: { recipe: SetRecipe; temporaryPath: string; signal: AbortSignal },
): Promise<GivenSpine | null> {
  const keys = [...new Set(references.flatMap((made) => made.keys.map(({ column }) => column)))]
  const isMoment = (name: string) => name === timestampColumn
  const columns = keys.filter((name) => !isMoment(name)).map((name) => columnOf(spine.columns, name))
  const time = timestampColumn === null ? null : columnOf(spine.columns, timestampColumn)
  // A day that is a key too is not the moment that it begins at.
  const isTwofold = time !== null && keys.some(isMoment) && time.type !== 'TIMESTAMP'
  if (isTwofold || !columns.every(({ storage }) => isGivable(storage))) return null
  const moment: Column | null = time && { ...time, type: 'TIMESTAMP', storage: 'TIMESTAMP' }
  const terms = [
    `row_number() OVER () AS ${quoteName(place.name)}`,
    ...columns.map(({ name }) => quoteName(name)),
    ...(time === null ? [] : [`${duckdbAsOf.moment(quoteName(time.name), time)} AS ${quoteName(time.name)}`]),
  ]
  const path = beside(temporaryPath, 'asked')
  await parquet.runOver({
    sql: `SELECT ${terms.join(', ')} FROM temp.spine`,
    inputs: [{ ...spine, name: 'spine' }],
    outputPath: path,
    signal,
  })
  const given = [place, ...columns, ...(moment === null ? [] : [moment])]
  const name = `spine_${randomBytes(12).toString('hex')}`
  return { rows: { name, path, columns: given }, relation: { sql: `SELECT * FROM ${name}`, columns: given } }
}

/** The spine as it came, each row with its features: of each file those of its places. */
export function withFeatures(
  parquet: Pick<ParquetEngine, 'runOver'>,
  {
    spine,
    features,
    ...run
  }: { spine: RowFile; features: readonly RowFile[]; path: string; signal: AbortSignal },
): Promise<RunResult> {
  const at = quoteName(place.name)
  const own = spine.columns.map(({ name }) => `s.${quoteName(name)}`)
  const files = features.map((file, i) => ({ ...file, name: `features${i}` }))
  const found = files.flatMap(({ name: file, columns }) =>
    columns.filter(({ name }) => name !== place.name).map(({ name }) => `${file}.${quoteName(name)}`),
  )
  const joins = files.map(({ name }) => `JOIN temp.${name} ON s.${at} = ${name}.${at}`)
  return parquet.runOver({
    sql: `SELECT ${[...own, ...found].join(', ')} FROM (SELECT *, row_number() OVER () AS ${at} FROM temp.spine) s
      ${joins.join('\n')} ORDER BY s.${at}`,
    inputs: [{ ...spine, name: 'spine' }, ...files],
    outputPath: run.path,
    signal: run.signal,
  })
}
