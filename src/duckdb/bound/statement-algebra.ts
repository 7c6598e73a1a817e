// A statement as the relations that proofs are made over, by the plan that the engine binds of it.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { Relation } from '../../sql/algebra.ts'
import { readAlgebra } from './algebra.ts'
import { type PlanNode, readBoundPlan, UnreadPlan } from './bound-plan.ts'
import type { TableFacts } from './tables.ts'

export interface BoundStatement {
  /** Opaque where the engine's plan is not understood. */
  relation: Relation
  /** The engine's plan; undefined where it tells none. */
  node: PlanNode | undefined
}

/** Binds the statement, which must have been judged; `width` counts its columns. */
export async function bindStatement(
  connection: DuckDBConnection,
  { sql, width, facts }: { sql: string; width: number; facts: TableFacts },
): Promise<BoundStatement> {
  let node: PlanNode | undefined
  try {
    node = await readBoundPlan(connection, sql)
    return { relation: readAlgebra(node, facts), node }
  } catch (error) {
    if (!(error instanceof UnreadPlan)) throw error
    return { relation: { kind: 'opaque', reason: error.message, inputs: [], width }, node }
  }
}
