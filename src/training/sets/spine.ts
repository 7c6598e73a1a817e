// The spine of a training set, as its caller gives it: a statement, a dataset, or rows; with the columns that its references need.

import type { Catalog } from '../../catalog/open.ts'
import { AppError } from '../../errors.ts'
import type { ResolvedReference } from '../../features/references.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import type { Column } from '../../values/columns.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import { assertReadable } from '../download.ts'
import { datasetPath } from '../making.ts'
import type { RecipeSpine } from './recipe.ts'
import { frameOfRows, type NeededColumns } from './spine-rows.ts'

/** One of them. */
export interface SpineRequest {
  sql?: string | null | undefined
  /** Of a saved query, or its name. */
  queryId?: string | null | undefined
  datasetId?: string | null | undefined
  /** JSON: an array of objects. */
  rows?: unknown
  /** A file of the caller's, which is made Parquet by what is needed of it. */
  read?: ((needed: NeededColumns) => Promise<UploadedSpine>) | undefined
}

/** A Parquet file, which becomes the set's own. */
export interface UploadedSpine {
  path: string
  columns: Column[]
  rowCount: number
}

export interface GivenSpine {
  made: RecipeSpine
  /** Of rows: the Parquet file that holds them. */
  path: string | null
}

export interface SpineOptions {
  catalog: Pick<Catalog, 'savedQueries' | 'datasets'>
  warehouse: Pick<Warehouse, 'describe'>
  parquet: Pick<ParquetEngine, 'writeFrames'>
  datasetsFolder: string
}

/** `path` is where rows are to be written. */
export async function readSpine(
  { catalog, warehouse, parquet, datasetsFolder }: SpineOptions,
  request: SpineRequest,
  needed: NeededColumns & { path: string },
): Promise<GivenSpine> {
  const given = Object.values(request).filter((value) => value !== undefined && value !== null)
  if (given.length !== 1)
    throw new AppError(
      'BAD_USER_INPUT',
      `A spine is one of sql, queryId, datasetId and rows; ${given.length === 0 ? 'none' : given.length} of them ${given.length === 1 ? 'is' : 'are'} given.`,
    )
  const { sql, queryId, datasetId, rows, read } = request
  if (sql != null) return statement({ sql, queryId: null, query: null })
  if (queryId != null) {
    const { id, name, version, sql: saved, columns } = await catalog.savedQueries.byReference(queryId)
    const made = await statement({ sql: saved, queryId: id, query: `${name}@${version}` })
    return { ...made, made: { ...made.made, columns: withoutOthers(columns, made.made.columns) } }
  }
  if (datasetId != null) {
    const dataset = await catalog.datasets.byId(datasetId)
    await assertReadable(dataset, datasetPath(datasetsFolder, dataset.id))
    return { made: { kind: 'dataset', datasetId: dataset.id, columns: dataset.columns }, path: null }
  }
  if (read != null) {
    const { path, columns, rowCount } = await read(needed)
    return { made: { kind: 'rows', rowCount, columns }, path }
  }
  const { columns, rows: cells } = frameOfRows(rows, needed)
  await parquet.writeFrames({ path: needed.path, columns, batches: [cells] })
  return { made: { kind: 'rows', rowCount: cells.length, columns: [...columns] }, path: needed.path }

  async function statement(made: { sql: string; queryId: string | null; query: string | null }) {
    const { columns, asksForMoment } = await warehouse.describe(made.sql)
    if (asksForMoment)
      throw new AppError(
        'BAD_USER_INPUT',
        'The spine calls as_of(), which stands for the time of each of its own rows; write the moment that it is made for.',
      )
    return { made: { kind: 'statement' as const, ...made, columns: [...columns] }, path: null }
  }
}

/** The saved columns, with what the engine tells of them now. */
function withoutOthers(saved: readonly Column[], now: readonly Column[]): Column[] {
  return saved.map(
    (column) => now.find(({ name, type }) => name === column.name && type === column.type) ?? column,
  )
}

/** Throws BAD_USER_INPUT where the spine lacks a column, or one does not fit what it is compared with, or given as. */
export function assertFits(
  spine: readonly Column[],
  {
    references,
    requestColumns,
    timestampColumn,
  }: {
    references: readonly ResolvedReference[]
    requestColumns: readonly Column[]
    /** Null where no view has a time. */
    timestampColumn: string | null
  },
): void {
  const find = createFinder(spine)
  for (const { view, keys } of references)
    for (const { key, column: name } of keys) {
      const what = `the index key ${key.name} of the feature view ${view.record.name}`
      const cure = `Name another one by keys: [{ key: ${JSON.stringify(key.name)}, column: … }].`
      assertType(find(name, what, cure), key, what)
    }
  for (const column of requestColumns) {
    const what = `the request column ${column.name} of the feature service`
    assertType(find(column.name, what, 'Let the spine give it.'), column, what)
  }
  if (timestampColumn === null) return
  const what = 'the time that features are asked for (timestampColumn)'
  const { type } = find(timestampColumn, what, 'Name another one by timestampColumn.')
  if (type === 'TIMESTAMP' || type === 'DATE') return
  throw new AppError(
    'BAD_USER_INPUT',
    `The spine's column ${JSON.stringify(timestampColumn)} is ${type}, and ${what} must be TIMESTAMP or DATE; cast it in the spine, or name another one by timestampColumn.`,
    { details: { column: timestampColumn, type } },
  )
}

function createFinder(spine: readonly Column[]) {
  const names = spine.map(({ name }) => name)
  return (name: string, what: string, cure: string): Column => {
    const column = spine.find((each) => each.name === name)
    if (column !== undefined) return column
    const message = `The spine has no column ${JSON.stringify(name)}, which is to be ${what}; its columns are ${names.join(', ')}. ${cure}`
    throw new AppError('BAD_USER_INPUT', message, { details: { columns: names } })
  }
}

function assertType(column: Column, wanted: Column, what: string): void {
  if (column.type === wanted.type || (isWhole(column) && isWhole(wanted))) return
  throw new AppError(
    'BAD_USER_INPUT',
    `The spine's column ${JSON.stringify(column.name)} is ${column.type}, and ${what} is ${wanted.type}, so they do not fit; cast it in the spine.`,
    { details: { column: column.name, type: column.type, expected: wanted.type } },
  )
}

const isWhole = ({ type }: Column) => type === 'INT32' || type === 'INT64'
