// Finds what gives a statement another result at each run: the clock, randomness, a sample.

import type { DuckDBConnection } from '@duckdb/node-api'
import { changingFunction, changingNames, endlessFunctions } from './functions.ts'
import type { JudgedStatement, SyntaxNode } from './statement.ts'

/**
 * What it is, as a user would call it; null when the same rows always give the same result. Columns may bear such names.
 * The bound plan, where there is one, holds what views and macros call, too.
 */
export type ChangeFinder = (
  judged: JudgedStatement,
  columnNames: Iterable<string>,
  plan?: unknown,
) => string | null

export async function createChangeFinder(connection: DuckDBConnection): Promise<ChangeFinder> {
  const result = await connection.run(
    "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'",
  )
  const listed = new Set((await result.getRows()).map(([name]) => String(name)))
  const isChanging = (name: string) =>
    !endlessFunctions.has(name) && (listed.has(name) || changingFunction.test(name))

  return (judged, columnNames, plan) => {
    const called = [...judged.functions].find(isChanging)
    if (called !== undefined) return `${called}()`
    const own = new Set([...columnNames].map((name) => name.toLowerCase()))
    const named = [...judged.names].find((name) => changingNames.has(name) && !own.has(name))
    if (named !== undefined) return named
    if (some(judged.tree, isAgeOfOne)) return 'age() of one argument'
    if (some(judged.tree, isSampled)) return 'a sample'
    const within = find(plan, (node) => isChangeInPlan(node, isChanging))
    if (within === undefined) return null
    return within.type === 'LOGICAL_SAMPLE' ? 'a sample' : `${String(within.name)}()`
  }
}

function some(part: unknown, test: (node: SyntaxNode) => boolean): boolean {
  return find(part, test) !== undefined
}

function find(part: unknown, test: (node: SyntaxNode) => boolean): SyntaxNode | undefined {
  if (typeof part !== 'object' || part === null) return undefined
  if (!Array.isArray(part) && test(part as SyntaxNode)) return part as SyntaxNode
  for (const child of Object.values(part)) {
    const found = find(child, test)
    if (found !== undefined) return found
  }
  return undefined
}

function isChangeInPlan(node: SyntaxNode, isChanging: (name: string) => boolean): boolean {
  const { type, expression_class: kind, name, children } = node
  if (kind !== 'BOUND_FUNCTION') return type === 'LOGICAL_SAMPLE'
  const isAge = name === 'age' && Array.isArray(children) && children.length === 1
  return isAge || isChanging(String(name).toLowerCase())
}

/** `age(x)` is the time from x to today. */
function isAgeOfOne({ function_name: name, children }: SyntaxNode): boolean {
  return String(name).toLowerCase() === 'age' && Array.isArray(children) && children.length === 1
}

function isSampled({ sample }: SyntaxNode): boolean {
  return typeof sample === 'object' && sample !== null
}
