// Which tables stand behind the views of a database: a statement that reads a view reads those.

import type { DuckDBConnection } from '@duckdb/node-api'
import { type JudgedStatement, judgeStatement, type TableReference } from '../../duckdb/statement.ts'
import { AppError } from '../../errors.ts'

export interface ViewDefinition {
  schema: string
  name: string
  /** What it reads; null when it reads more than tables, a file, say: then the view itself counts as a table. */
  tables: readonly TableReference[] | null
}

/** Views of the schema `asTables` count as tables. */
export async function listViews(
  connection: DuckDBConnection,
  asTables: string,
  foreign: ReadonlySet<string>,
): Promise<ViewDefinition[]> {
  const result = await connection.run(`
    SELECT schema_name, view_name, sql FROM duckdb_views()
    WHERE NOT internal AND database_name = current_database()`)
  const views: ViewDefinition[] = []
  for (const [schema, name, sql] of await result.getRows()) {
    const judged = schema === asTables ? null : await judge(connection, String(sql), foreign)
    views.push({ schema: String(schema), name: String(name), tables: judged?.tables ?? null })
  }
  return views
}

/** The SELECT stands after an AS; names may hold that word too, so each is tried. */
async function judge(
  connection: DuckDBConnection,
  sql: string,
  foreign: ReadonlySet<string>,
): Promise<JudgedStatement | null> {
  for (const { index } of sql.matchAll(/\bAS\b/gi)) {
    try {
      return await judgeStatement(connection, sql.slice(index + 2), foreign)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
    }
  }
  return null
}
