// The plan that the engine binds of a statement, before it is optimized: every name resolved by the engine itself.

import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteText } from '../../sql/sql-text.ts'

export type PlanNode = { readonly [key: string]: unknown }

/** A plan, or a part of one, that is not understood; the message ends "…, because". */
export class UnreadPlan extends Error {}

export interface PlanType {
  id: string
  isCollated: boolean
}

/** In bytes: beyond it, reading the plan would hold up everything else. */
const longestPlan = 8_000_000

/** Binds the statement, which must have been judged; throws UnreadPlan for one whose plan the engine cannot write down. */
export async function readBoundPlan(connection: DuckDBConnection, sql: string): Promise<PlanNode> {
  // The engine takes a literal alone, and binds it when it binds the statement around it.
  const plan = `json_serialize_plan(${quoteText(`SELECT * FROM (\n${sql}\n) t`)})`
  const result = await connection.run(
    `SELECT CASE WHEN strlen(p) <= ${longestPlan} THEN p END FROM (SELECT ${plan} AS p)`,
  )
  const [row] = await result.getRows()
  if (typeof row?.[0] !== 'string') throw new UnreadPlan('its plan is too long')
  const { plans, error_message: message } = JSON.parse(row[0]) as PlanNode
  const [node, second] = nodesOf(plans)
  if (node === undefined || second !== undefined)
    throw new UnreadPlan(`the engine does not tell its plan (${String(message)})`)
  return node
}

/** Throws where a node has content that is not known here: it might change what the node does. */
export function refuseOthers(node: PlanNode, known: ReadonlySet<string>): void {
  const other = Object.keys(node).find((name) => !known.has(name) && !isEmpty(node[name]))
  if (other !== undefined)
    throw new UnreadPlan(`its ${String(node.type)} has a ${other.replaceAll('_', ' ')}`)
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === '') return true
  return typeof value === 'object' && Object.values(value).every(isEmpty)
}

export function nodesOf(value: unknown): readonly PlanNode[] {
  return Array.isArray(value) ? (value as PlanNode[]) : []
}

export function nodeOf(value: unknown): PlanNode {
  if (typeof value !== 'object' || value === null) throw new UnreadPlan('its plan is not as it is known')
  return value as PlanNode
}

export function typesOf(value: unknown): readonly PlanType[] {
  return nodesOf(value).map(typeOf)
}

export function typeOf(value: unknown): PlanType {
  const { id, type_info: info } = nodeOf(value)
  const collation = (info as PlanNode | null)?.collation
  return { id: String(id), isCollated: typeof collation === 'string' && collation !== '' }
}

/** Types of which values that compare equal are one and the same: of floats 0 equals -0, of intervals a month 30 days. */
const plainTypes = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'HUGEINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'UHUGEINT',
  'DECIMAL',
  'VARCHAR',
  'BLOB',
  'UUID',
  'ENUM',
  'DATE',
  'TIME',
  'TIMESTAMP',
  'TIMESTAMP_S',
  'TIMESTAMP_MS',
  'TIMESTAMP_NS',
  'TIMESTAMP WITH TIME ZONE',
])

export function equalsItselfAlone({ id, isCollated }: PlanType): boolean {
  return plainTypes.has(id) && !isCollated
}
