// What a key's column is compared by in the embedded engine, and in which order it stands.

import { type DuckDBConnection, type DuckDBType, DuckDBTypeId } from '@duckdb/node-api'
import type { StatementPlan } from '../../duckdb/plan.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Column } from '../../values/columns.ts'

/** Collations by which texts are equal when they are the same. */
const binaryCollations = ['C', 'POSIX', '"binary"']

export interface KeyTerms {
  column: string
  /** The same, in an order in which the rows of each text stand together. */
  ordered: string
  /** A value of the storage type as one to compare the column with. */
  value(parameter: string): string
}

/** Over the statement's select, where the statement's own columns are those of `t`. */
export function keyTerms({ name, type, storage, native }: Column, own: DuckDBType): KeyTerms {
  const column = `t.${quoteName(name)}`
  if (type !== 'STRING' || own.typeId === DuckDBTypeId.ENUM) {
    const stored = `CAST(${column} AS ${storage})`
    return { column: stored, ordered: stored, value: (parameter) => parameter }
  }
  if (own.typeId === DuckDBTypeId.VARCHAR) {
    const ordered = native === collated ? `${column} COLLATE "C"` : column
    return { column, ordered, value: (parameter) => parameter }
  }
  // By the type's own equality: an interval of a month is one of 30 days.
  return { column, ordered: column, value: (parameter) => `TRY_CAST(${parameter} AS ${own})` }
}

const collated = 'VARCHAR COLLATE'

/** The columns, those of texts with the statement's own type. */
export async function withNatives(
  connection: DuckDBConnection,
  sql: string,
  { columns, carriers, alias }: StatementPlan,
): Promise<Column[]> {
  const places = carriers.flatMap(({ own }, i) => (own.typeId === DuckDBTypeId.VARCHAR ? [i] : []))
  const isCollated = await findCollated(connection, `${sql}\n) ${alias}`, {
    places,
    names: columns.map(({ name }) => name),
  })
  return columns.map((column, i) => {
    const type = carriers[i]?.own
    if (column.type !== 'STRING' || type === undefined) return column
    const native = type.typeId === DuckDBTypeId.ENUM ? 'ENUM' : isCollated.has(i) ? collated : String(type)
    return { ...column, native }
  })
}

/** Told by the binder, which combines a collation with no other. */
async function findCollated(
  connection: DuckDBConnection,
  relation: string,
  { places, names }: { places: readonly number[]; names: readonly string[] },
): Promise<ReadonlySet<number>> {
  async function combines(asked: readonly number[], collations: readonly string[]): Promise<boolean> {
    const tests = asked.flatMap((i) =>
      collations.map((collation) => `t.${quoteName(names[i] ?? '')} = ('' COLLATE ${collation})`),
    )
    try {
      const prepared = await connection.prepare(`SELECT ${tests.join(', ')} FROM (\n${relation}`)
      prepared.destroySync()
      return true
    } catch (error) {
      if (error instanceof Error && error.message.includes('different collation')) return false
      throw error
    }
  }

  const found = new Set<number>()
  if (places.length === 0 || (await combines(places, ['NOCASE', 'NOACCENT']))) return found
  for (const place of places) {
    let isBinary = await combines([place], ['NOCASE', 'NOACCENT'])
    for (const collation of binaryCollations) isBinary ||= await combines([place], [collation])
    if (!isBinary) found.add(place)
  }
  return found
}
