// Finds what gives a statement another result at each run: the clock, randomness, a sample.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { JudgedStatement, SyntaxNode } from './statement.ts'

/** Functions that DuckDB itself does not mark as changing from query to query. */
const changing =
  /^(now|today|ago|random|setseed|uuid(v\d)?|gen_random_uuid|get_current_.*|current_.*|local.*|transaction_timestamp|txid_.*)$/
/** What SQL writes without parentheses. */
const changingNames = new Set([
  'current_date',
  'current_time',
  'current_timestamp',
  'localtime',
  'localtimestamp',
])
/** Volatile only in that it never returns. */
const harmless = new Set(['error'])

/** What it is, as a user would call it; null when the same rows always give the same result. Columns may bear such names. */
export type ChangeFinder = (judged: JudgedStatement, columnNames: Iterable<string>) => string | null

export async function createChangeFinder(connection: DuckDBConnection): Promise<ChangeFinder> {
  const result = await connection.run(
    "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'",
  )
  const listed = new Set((await result.getRows()).map(([name]) => String(name)))
  const isChanging = (name: string) => !harmless.has(name) && (listed.has(name) || changing.test(name))

  return (judged, columnNames) => {
    const called = [...judged.functions].find(isChanging)
    if (called !== undefined) return `${called}()`
    const own = new Set([...columnNames].map((name) => name.toLowerCase()))
    const named = [...judged.names].find((name) => changingNames.has(name) && !own.has(name))
    if (named !== undefined) return named
    if (some(judged.tree, isAgeOfOne)) return 'age() of one argument'
    return some(judged.tree, isSampled) ? 'a sample' : null
  }
}

function some(part: unknown, test: (node: SyntaxNode) => boolean): boolean {
  if (Array.isArray(part)) return part.some((item) => some(item, test))
  if (typeof part !== 'object' || part === null) return false
  return test(part as SyntaxNode) || Object.values(part).some((child) => some(child, test))
}

/** `age(x)` is the time from x to today. */
function isAgeOfOne({ function_name: name, children }: SyntaxNode): boolean {
  return String(name).toLowerCase() === 'age' && Array.isArray(children) && children.length === 1
}

function isSampled({ sample }: SyntaxNode): boolean {
  return typeof sample === 'object' && sample !== null
}
