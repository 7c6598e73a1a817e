// What is proven of a statement before it is served, over the plan that the engine binds of it: that nothing in it changes
// from run to run, whose rows it reads, and what it leaves to the engine.

import type { DuckDBConnection } from '@duckdb/node-api'
import { bindStatement } from '../../duckdb/bound/statement-algebra.ts'
import type { TableFacts } from '../../duckdb/bound/tables.ts'
import { createChangeFinder } from '../../duckdb/changing.ts'
import { judgeStatement } from '../../duckdb/statement.ts'
import { judgeDeterminism, unlessChanging } from '../../sql/determinism.ts'
import { whyNotLocal } from '../../sql/locality.ts'
import type { Column } from '../../values/columns.ts'
import { tellOrigin } from '../column-origin.ts'
import type { BaseTable, QueryDescription } from '../port.ts'
import type { TableList } from './schema.ts'
import { createStandIns, type StandIns } from './stand-ins.ts'

export interface Proofs {
  prove(
    connection: DuckDBConnection,
    asked: {
      sql: string
      key: readonly string[] | undefined
      origin?: string | undefined
      columns: readonly Column[]
      tables: readonly BaseTable[]
    },
  ): Promise<Pick<QueryDescription, 'changing' | 'determinism' | 'whyNotLocal' | 'origin'>>
  /** Hears of files' views that have changed. */
  renew: StandIns['renew']
}

export async function createProofs(connection: DuckDBConnection, list: TableList): Promise<Proofs> {
  const findChange = await createChangeFinder(connection)
  const standIns = await createStandIns(connection)
  await standIns.renew(connection, list.ofFiles)
  const uniquesOf = await listUniques(connection)

  const prove: Proofs['prove'] = async (asked, { sql, key, origin, columns, tables }) => {
    const judged = await judgeStatement(asked, sql)
    const facts = { key: key ?? [], uniquesOf }
    const { relation, node } = await bindStatement(asked, {
      sql: standIns.replace(judged),
      width: columns.length,
      facts,
    })
    const names = tables.flatMap((table) => table.columns)
    const changing = findChange(judged, names, node)
    const determinism = unlessChanging(judgeDeterminism(relation), changing)
    const told = tellOrigin(relation, { column: origin, columns: columns.map(({ name }) => name), tables })
    if (key === undefined) return { determinism, ...told }
    const parts = key.map((name) => ({ name, index: columns.findIndex((column) => column.name === name) }))
    return { determinism, changing, whyNotLocal: whyNotLocal(relation, parts), ...told }
  }
  return { prove, renew: standIns.renew }
}

/** Each table's PRIMARY KEY, and what is UNIQUE and NOT NULL. */
async function listUniques(connection: DuckDBConnection): Promise<TableFacts['uniquesOf']> {
  const result = await connection.run(`
    SELECT schema_name, table_name, constraint_type, to_json(constraint_column_names)::VARCHAR
    FROM duckdb_constraints() WHERE database_name = current_database()`)
  const constraints = (await result.getRows()).map(([schema, table, type, columns]) => ({
    table: JSON.stringify([schema, table]),
    type: String(type),
    columns: JSON.parse(String(columns)) as string[],
  }))
  const filled = new Set(
    constraints
      .filter(({ type }) => type === 'NOT NULL')
      .flatMap(({ table, columns }) => columns.map((column) => JSON.stringify([table, column]))),
  )
  return (schema, table) => {
    const own = constraints.filter((constraint) => constraint.table === JSON.stringify([schema, table]))
    const isFilled = (column: string) => filled.has(JSON.stringify([JSON.stringify([schema, table]), column]))
    return own
      .filter(({ type, columns }) => type === 'PRIMARY KEY' || (type === 'UNIQUE' && columns.every(isFilled)))
      .map(({ columns }) => columns)
  }
}
