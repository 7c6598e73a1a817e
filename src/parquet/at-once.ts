// Proves of a SELECT that many groups of rows can pass through it at once: it works row by row, or aggregates what
// can be aggregated group by group.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { JudgedStatement, SyntaxNode } from '../duckdb/statement.ts'
import { inputTable } from './etl-statement.ts'

/** Which of the input's columns tells the rows of one group from another's; `*` leaves both out or is not proven. */
export const tags = { rows: 'rowid', groups: 'gateway_group' } as const
/** What the rewritten statement calls the tag at its end. */
export const tagAlias = 'gateway_tag'

/** `rows`: each row gives its own result rows, tagged with its number. `groups`: each group does, tagged with its. */
export type AtOnce = keyof typeof tags

const nodeKeys = new Set([
  'type',
  'select_list',
  'from_table',
  'where_clause',
  'aggregate_handling',
  'query_location',
])
const groupKeys = new Set([...nodeKeys, 'group_expressions', 'group_sets', 'having'])
const fromKeys = new Set(['type', 'table_name', 'alias', 'query_location'])
/** Aggregates of a group's rows in whatever order these come. */
const aggregates = [
  'count_star',
  'count',
  'sum',
  'avg',
  'min',
  'max',
  'bool_and',
  'bool_or',
  'median',
  'stddev',
  'stddev_samp',
  'stddev_pop',
  'variance',
  'var_samp',
  'var_pop',
]
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

/** Null where nothing is proven: then each group must run on its own. */
export function proveAtOnce(
  { tree, names }: JudgedStatement,
  scalarFunctions: ReadonlySet<string>,
  columnNames: readonly string[],
): AtOnce | null {
  const reserved = [...Object.values(tags), tagAlias]
  if (reserved.some((name) => names.has(name))) return null
  if (columnNames.some((name) => reserved.some((own) => own === name.toLowerCase()))) return null
  const node = tree.node as SyntaxNode | undefined
  const from = node?.from_table as SyntaxNode | undefined
  if (node?.type !== 'SELECT_NODE' || node.aggregate_handling !== 'STANDARD_HANDLING') return null
  if (Object.keys(tree).some((key) => key !== 'node')) return null
  if (from?.type !== 'BASE_TABLE' || String(from.table_name).toLowerCase() !== inputTable) return null
  if (Object.keys(from).some((key) => !fromKeys.has(key))) return null
  if (!isScalar([node.where_clause, node.group_expressions], scalarFunctions)) return null
  if (isRowWise(node, scalarFunctions)) return 'rows'
  return isGroupWise(node, scalarFunctions) ? 'groups' : null
}

function isRowWise(node: SyntaxNode, scalarFunctions: ReadonlySet<string>): boolean {
  return Object.keys(node).every((key) => nodeKeys.has(key)) && isScalar(node.select_list, scalarFunctions)
}

function isGroupWise(node: SyntaxNode, scalarFunctions: ReadonlySet<string>): boolean {
  if (Object.keys(node).some((key) => !groupKeys.has(key)) || hasStar(node.select_list)) return false
  const functions = new Set([...scalarFunctions, ...aggregates])
  return isScalar([node.select_list, node.having], functions)
}

function hasStar(part: unknown): boolean {
  if (typeof part !== 'object' || part === null) return false
  return (part as SyntaxNode).class === 'STAR' || Object.values(part).some(hasStar)
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

interface RewrittenNode {
  select_list: unknown[]
  group_expressions?: unknown[]
  group_sets?: number[][]
}

/** As it was written: a literal may be an integer that no number holds, or a float that would be written as an integer. */
function keepNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source
  return typeof value === 'number' && source !== undefined ? rawJSON(source) : value
}

/** As the standard has it; its types are yet to come. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }

/** The statement with the tag as its last column; where it aggregates, it does so within each group. */
export async function withTag(connection: DuckDBConnection, sql: string, atOnce: AtOnce): Promise<string> {
  const [serialized] = await one(
    connection,
    'SELECT json_serialize_sql($1::VARCHAR, skip_default := true)',
    sql,
  )
  const tree = JSON.parse(serialized ?? '', keepNumber) as { statements: [{ node: RewrittenNode }] }
  const { node } = tree.statements[0]
  const tag = { class: 'COLUMN_REF', type: 'COLUMN_REF', column_names: [tags[atOnce]] }
  node.select_list.push({ ...tag, alias: tagAlias })
  if (atOnce === 'groups') {
    const position = node.group_expressions?.length ?? 0
    node.group_expressions = [...(node.group_expressions ?? []), tag]
    node.group_sets = (node.group_sets ?? [[]]).map((set) => [...set, position])
  }
  const [text] = await one(connection, 'SELECT json_deserialize_sql($1::JSON)', JSON.stringify(tree))
  return text ?? ''
}

async function one(connection: DuckDBConnection, sql: string, value: string): Promise<string[]> {
  const rows = await (await connection.run(sql, [value])).getRows()
  return (rows[0] ?? []).map(String)
}
