// The columns that a view's index key is: of the query's, of types that can find rows.

import type { Catalog } from '../catalog/open.ts'
import type { SavedQueryRecord } from '../catalog/saved-queries.ts'
import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'
import { createKeyType, type KeyType, parseKeyText } from '../values/entity-key.ts'
import type { Warehouse } from '../warehouse/port.ts'

export type KeyTypeOf = (query: SavedQueryRecord, indexKeys: readonly string[]) => Promise<KeyType>

export function createKeyTypes(options: {
  savedQueries: Pick<Catalog['savedQueries'], 'setColumns'>
  warehouse: Pick<Warehouse, 'describe'>
}): KeyTypeOf {
  const { savedQueries, warehouse } = options
  const described = new Map<string, readonly Column[]>()

  /** An entry of before engines told their own types: its columns are described anew, once. */
  async function describe({ id, sql, columns }: SavedQueryRecord): Promise<readonly Column[]> {
    const known = described.get(id)
    if (known !== undefined) return known
    const now = await describeIfSound(sql)
    if (now === null) return columns
    const found = columns.map((column) => {
      const { type, native } = now.find(({ name }) => name === column.name) ?? {}
      return native === undefined || type !== column.type ? column : { ...column, native }
    })
    await savedQueries.setColumns(id, found)
    described.set(id, found)
    return found
  }

  /** Null for a statement that the warehouse runs no more, which its lookups tell. */
  async function describeIfSound(sql: string): Promise<readonly Column[] | null> {
    try {
      return (await warehouse.describe(sql)).columns
    } catch (error) {
      if (error instanceof AppError && error.code === 'INVALID_SQL') return null
      throw error
    }
  }

  return async (query, indexKeys) => {
    refuseUnclear(indexKeys)
    const columns = indexKeys.map((name) => find(query, query.columns, name))
    const isKnown = columns.every(({ type, native }) => type !== 'STRING' || native !== undefined)
    if (isKnown) return createKeyType(columns)
    const described = await describe(query)
    return createKeyType(indexKeys.map((name) => find(query, described, name)))
  }
}

/** What a client's text names: one of the query's columns, else the columns of a JSON array. */
export function namesOfKey(
  { columns }: Pick<SavedQueryRecord, 'columns'>,
  indexKey: string,
): readonly string[] {
  if (columns.some(({ name }) => name === indexKey)) return [indexKey]
  return parseKeyText(indexKey) ?? [indexKey]
}

function refuseUnclear(indexKeys: readonly string[]): void {
  const twice = indexKeys.find((name, i) => indexKeys.indexOf(name) !== i)
  if (indexKeys.length > 0 && twice === undefined) return
  const fault = twice === undefined ? 'names no column' : `names the column ${JSON.stringify(twice)} twice`
  throw new AppError(
    'BAD_USER_INPUT',
    `The index key ${fault}; it is one column of the query or several, each once, like ["origin","carrier"].`,
  )
}

function find({ name }: SavedQueryRecord, columns: readonly Column[], indexKey: string): Column {
  const column = columns.find((candidate) => candidate.name === indexKey)
  if (column !== undefined) return column
  const names = columns.map((candidate) => candidate.name)
  throw new AppError(
    'BAD_USER_INPUT',
    `The query ${name} has no column ${JSON.stringify(indexKey)} to look rows up by; its columns are ${names.join(', ')}.`,
    { details: { columns: names } },
  )
}
