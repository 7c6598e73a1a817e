// A judged statement as it runs: its columns, and the one SELECT around it that casts each to the type that carries it.

import type { DuckDBConnection, DuckDBPreparedStatement, DuckDBType } from '@duckdb/node-api'
import { quoteName } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'
import { type Carrier, carrierOf } from './column-types.ts'
import { refuse } from './engine-error.ts'

export interface StatementCarrier extends Carrier {
  /** The statement's own type, and the one that it is cast to. */
  own: DuckDBType
  stored: DuckDBType
}

export interface StatementPlan {
  columns: readonly Column[]
  carriers: readonly StatementCarrier[]
  /** The statement with every column cast to its storage type. */
  select: string
  /** What the statement is called in it, with its columns where they have other names than its own. */
  alias: string
  /** How many bytes of `select` stand before the user's own text. */
  offsetBytes: number
}

/** Prepares the judged statement without running it. Two columns of one name are refused: names differ in more than case. `nameOf` says what a column is to be called. */
export async function planStatement(
  connection: DuckDBConnection,
  sql: string,
  nameOf = (name: string) => name,
): Promise<StatementPlan> {
  const prepared = await prepareColumns(connection, sql)
  const asked = prepared.map(({ name, type }) => ({ name: nameOf(name), type }))
  const names = asked.map(({ name }) => name)
  refuseDuplicates(names)
  const carried = asked.map(({ name, type: own }) => ({ name, own, ...carrierOf(own) }))
  const columns = carried.map(({ name, type, storage }) => ({ name, type, nullable: true, storage }))
  const prefix = `SELECT ${castList(columns)} FROM (\n`
  const isRenamed = prepared.some(({ name }, i) => name !== names[i])
  const alias = isRenamed ? `t(${names.map(quoteName).join(', ')})` : 't'
  const select = `${prefix}${sql}\n) ${alias}`
  const stored = await prepareColumns(connection, select)
  const carriers = carried.map(({ name: _, ...carrier }, i) => ({
    ...carrier,
    stored: stored[i]?.type ?? carrier.own,
  }))
  return { columns, carriers, select, alias, offsetBytes: Buffer.byteLength(prefix) }
}

async function prepareColumns(
  connection: DuckDBConnection,
  sql: string,
): Promise<{ name: string; type: DuckDBType }[]> {
  const prepared = await connection.prepare(sql)
  try {
    return Array.from({ length: prepared.columnCount }, (_, i) => ({
      name: prepared.columnName(i),
      type: columnType(prepared, i),
    }))
  } finally {
    prepared.destroySync()
  }
}

function columnType(prepared: DuckDBPreparedStatement, i: number): DuckDBType {
  try {
    return prepared.columnType(i)
  } catch (cause) {
    // Of a type of types, say, its driver knows nothing.
    const message = `The column ${quoteName(prepared.columnName(i))} is of a type that only the engine itself can hold; cast it to another, such as VARCHAR.`
    throw refuse(message, null, { cause })
  }
}

/** `CAST("a" AS INTEGER) AS "a", …` */
export function castList(columns: readonly Column[]): string {
  return columns
    .map(({ name, storage }) => `CAST(${quoteName(name)} AS ${storage}) AS ${quoteName(name)}`)
    .join(', ')
}

/** Throws INVALID_SQL: names must differ in more than case. */
export function refuseDuplicates(names: readonly string[]): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    const earlier = seen.get(name.toLowerCase())
    if (earlier !== undefined) {
      const which =
        earlier === name
          ? `two columns named ${quoteName(name)}`
          : `columns ${quoteName(earlier)} and ${quoteName(name)}, which differ only in case`
      throw refuse(
        `The result has ${which}; give one of them another name with AS, or name the columns instead of *.`,
        null,
      )
    }
    seen.set(name.toLowerCase(), name)
  }
}
