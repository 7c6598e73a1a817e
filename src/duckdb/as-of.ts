// Calls of as_of() in a judged statement, by the syntax tree of the engine's own parser.

import type { DuckDBConnection } from '@duckdb/node-api'
import { type Asking, asOf, callAt, fill, valueOnly } from '../sql/as-of.ts'
import { placeOf } from '../sql/sql-text.ts'
import { refuse } from './engine-error.ts'
import { type JudgedStatement, judgeStatement, type SyntaxNode } from './statement.ts'

/** Null where there are none. INVALID_SQL for one that is given arguments, or is used as an aggregate is. */
export async function findAsking(
  connection: DuckDBConnection,
  { sql, tree, functions }: JudgedStatement,
): Promise<Asking | null> {
  if (!functions.has(asOf)) return null
  const calls: SyntaxNode[] = []
  collect(tree, calls)
  if (calls.length === 0) return null
  for (const call of calls) {
    const fault = faultOf(call)
    if (fault !== null) throw refuse(fault, placeOf(sql, Number(call.query_location)))
  }
  const offsets = [...new Set(calls.map((call) => Number(call.query_location)))].sort((a, b) => a - b)
  const asking = { text: sql, calls: offsets.map((offset) => locate(sql, offset)) }
  await assertSame(connection, tree, asking)
  return asking
}

function isCall(node: SyntaxNode): boolean {
  const isOwn = node.schema === undefined && node.catalog === undefined
  const isFunction = node.class === 'FUNCTION' || node.class === 'WINDOW'
  return isFunction && isOwn && String(node.function_name).toLowerCase() === asOf
}

function collect(part: unknown, calls: SyntaxNode[]): void {
  if (typeof part !== 'object' || part === null) return
  if (!Array.isArray(part) && isCall(part as SyntaxNode)) calls.push(part as SyntaxNode)
  for (const child of Object.values(part)) collect(child, calls)
}

function faultOf(call: SyntaxNode): string | null {
  if (Array.isArray(call.children) && call.children.length > 0) return 'as_of() takes no arguments'
  const orders = (call.order_bys as SyntaxNode | undefined)?.orders
  const isPlain = call.class === 'FUNCTION' && call.filter === undefined && call.export_state === undefined
  return isPlain && orders === undefined && call.distinct !== true ? null : valueOnly
}

/** The parser counts bytes, and takes some blanks of several for one. */
function locate(sql: string, offset: number) {
  const from = Buffer.from(sql).subarray(0, offset).toString().length
  const [name] = /^(?:as_of|"as_of")/i.exec(sql.slice(from, from + 10)) ?? []
  const call = name === undefined ? null : callAt(sql, { from, to: from + name.length })
  if (call !== null) return call
  throw refuse(
    'as_of() cannot be found in the text; write plain blanks, and nothing within its parentheses.',
    null,
  )
}

/** With another function in their place the parser finds the same statement, and that function where as_of() was. */
async function assertSame(connection: DuckDBConnection, tree: SyntaxNode, asking: Asking): Promise<void> {
  const other = 'gateway_moment'
  const filled = await judgeStatement(connection, fill(asking, `${other}()`))
  if (outline(filled.tree, other) === outline(tree, asOf)) return
  throw refuse('as_of() cannot be told apart from what surrounds it; write it by itself.', null)
}

function outline(tree: SyntaxNode, name: string): string {
  return JSON.stringify(tree, (key, value: unknown) => {
    if (key === 'query_location') return undefined
    return key === 'function_name' && String(value).toLowerCase() === name ? asOf : value
  })
}
