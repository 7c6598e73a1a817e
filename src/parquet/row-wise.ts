// Proves of a SELECT that it works on each row on its own, so that many groups of rows can pass through it at once.

import type { DuckDBConnection } from '@duckdb/node-api'
import { inputTable } from './etl-statement.ts'
import type { JudgedStatement, SyntaxNode } from './statement.ts'

/** The pseudo-column of a table that `*` leaves out, and what the statement calls it at its end. */
export const rowNumber = 'rowid'
export const rowNumberAlias = 'gateway_row_number'

const nodeKeys = new Set([
  'type',
  'select_list',
  'from_table',
  'where_clause',
  'aggregate_handling',
  'query_location',
])
const fromKeys = new Set(['type', 'table_name', 'alias', 'query_location'])
/** What an expression may consist of; anything else, a subquery or a window, proves nothing. */
const expressionClasses = new Set([
  'COLUMN_REF',
  'CONSTANT',
  'FUNCTION',
  'OPERATOR',
  'COMPARISON',
  'CONJUNCTION',
  'CAST',
  'CASE',
  'BETWEEN',
  'STAR',
  'LAMBDA',
  'LAMBDA_REF',
  'COLLATE',
])

/** The functions that are scalar and nothing else: no aggregate, no macro, none that makes rows. */
export async function listScalarFunctions(connection: DuckDBConnection): Promise<ReadonlySet<string>> {
  const result = await connection.run(`
    SELECT lower(function_name) FROM duckdb_functions() GROUP BY 1
    HAVING bool_and(function_type = 'scalar') AND bool_and(stability IS NULL OR stability = 'CONSISTENT')`)
  const makingRows = new Set(['unnest', 'generate_subscripts'])
  const names = (await result.getRows()).map(([name]) => String(name))
  return new Set(names.filter((name) => !makingRows.has(name)))
}

export function isRowWise(
  { tree, names }: JudgedStatement,
  scalarFunctions: ReadonlySet<string>,
  columnNames: readonly string[],
): boolean {
  const reserved = [rowNumber, rowNumberAlias]
  if (reserved.some((name) => names.has(name))) return false
  if (columnNames.some((name) => reserved.includes(name.toLowerCase()))) return false
  const node = tree.node as SyntaxNode | undefined
  const from = node?.from_table as SyntaxNode | undefined
  if (node?.type !== 'SELECT_NODE' || node.aggregate_handling !== 'STANDARD_HANDLING') return false
  if (Object.keys(tree).some((key) => key !== 'node') || Object.keys(node).some((key) => !nodeKeys.has(key)))
    return false
  if (from?.type !== 'BASE_TABLE' || String(from.table_name).toLowerCase() !== inputTable) return false
  if (Object.keys(from).some((key) => !fromKeys.has(key))) return false
  return isScalar([node.select_list, node.where_clause], scalarFunctions)
}

function isScalar(part: unknown, scalarFunctions: ReadonlySet<string>): boolean {
  if (Array.isArray(part)) return part.every((item) => isScalar(item, scalarFunctions))
  if (typeof part !== 'object' || part === null) return true
  const node = part as SyntaxNode
  if (node.class !== undefined && !expressionClasses.has(String(node.class))) return false
  if (node.class === 'FUNCTION' && !scalarFunctions.has(String(node.function_name).toLowerCase()))
    return false
  return Object.values(node).every((child) => isScalar(child, scalarFunctions))
}

/** The statement with the row's number as its last column. */
export async function withRowNumber(connection: DuckDBConnection, sql: string): Promise<string> {
  const [serialized] = await one(
    connection,
    'SELECT json_serialize_sql($1::VARCHAR, skip_default := true)',
    sql,
  )
  const tree = JSON.parse(serialized ?? '') as { statements: [{ node: { select_list: unknown[] } }] }
  tree.statements[0].node.select_list.push({
    class: 'COLUMN_REF',
    type: 'COLUMN_REF',
    alias: rowNumberAlias,
    column_names: [rowNumber],
  })
  const [text] = await one(connection, 'SELECT json_deserialize_sql($1::JSON)', JSON.stringify(tree))
  return text ?? ''
}

async function one(connection: DuckDBConnection, sql: string, value: string): Promise<string[]> {
  const rows = await (await connection.run(sql, [value])).getRows()
  return (rows[0] ?? []).map(String)
}
