// What is proven of a statement before it is served: that nothing in it changes from run to run, and whose rows it reads.

import type { DuckDBConnection } from '@duckdb/node-api'
import { createChangeFinder } from '../parquet/changing.ts'
import { listFunctionKinds } from '../parquet/function-kinds.ts'
import { whyNotLocal } from '../parquet/key-locality.ts'
import { judgeStatement } from '../parquet/statement.ts'
import type { TableList } from './duckdb-schema.ts'
import type { BaseTable, QueryDescription } from './port.ts'

export type Proofs = (
  connection: DuckDBConnection,
  asked: { sql: string; key: string | undefined; tables: readonly BaseTable[] },
) => Promise<Pick<QueryDescription, 'changing' | 'whyNotLocal'>>

export async function createProofs(connection: DuckDBConnection, list: TableList): Promise<Proofs> {
  const findChange = await createChangeFinder(connection)
  const functions = await listFunctionKinds(connection)

  return async (asked, { sql, key, tables }) => {
    if (key === undefined) return {}
    const judged = await judgeStatement(asked, sql)
    const find = ({ schema, name }: { schema: string; name: string }) => list.look(schema, name)
    return {
      changing: findChange(
        judged,
        tables.flatMap(({ columns }) => columns),
      ),
      whyNotLocal: whyNotLocal({ tree: judged.tree, key, find, functions }),
    }
  }
}
