// Judges a statement by the engine's own parser: one SELECT, WITH or VALUES that reads nothing but the tables it may.

import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '../errors.ts'
import { blankSemicolons, nameInEngine, type Place, placeOf, refuseLong, spellName } from '../sql/sql-text.ts'
import { refuse } from './engine-error.ts'
import { refusedFunction, tableFunctions } from './functions.ts'

export interface TableReference {
  catalog: string
  schema: string
  name: string
  place: Place | null
  /** Where it stands in the statement, in bytes. */
  offset?: number
}

export interface JudgedStatement {
  /** The statement without semicolons: it fits into parentheses when a newline follows it. */
  sql: string
  /** Every table that is not one of the statement's own (WITH), each place it stands in. */
  tables: readonly TableReference[]
  functions: ReadonlySet<string>
  /** Column references of one name, which may be `current_date` and its kin. */
  names: ReadonlySet<string>
  tree: SyntaxNode
}

export type SyntaxNode = { readonly [key: string]: unknown }

/** Names that the engine's own tables have, and no WITH may have. */
const engineTable = /^(duckdb|pg|sqlite|pragma)_/

const tableReferenceTypes = new Set([
  'BASE_TABLE',
  'SUBQUERY',
  'JOIN',
  'TABLE_FUNCTION',
  'EXPRESSION_LIST',
  'EMPTY',
  'PIVOT',
])

interface Parsed {
  error: boolean
  error_type?: string
  error_message?: string
  position?: string
  statements?: readonly SyntaxNode[]
}

/** Rejects with INVALID_SQL and the place of what may not be, with TOO_LARGE what would take long only to be planned. `foreign` are functions of extensions. */
export async function judgeStatement(
  connection: DuckDBConnection,
  sql: string,
  foreign: ReadonlySet<string> = new Set(),
): Promise<JudgedStatement> {
  refuseLong(sql)
  if (sql.includes('\0'))
    throw refuse('The statement holds a NUL character.', placeOf(sql, Buffer.from(sql).indexOf(0)))
  const tree = onlyStatement(await parse(connection, sql), sql)
  const blanked = blankSemicolons(sql)
  const wrapped = await parse(connection, `SELECT * FROM (\n${blanked}\n) t`)
  if (wrapped.error || wrapped.statements?.length !== 1) {
    throw refuse('The statement cannot stand in parentheses; write one SELECT without a semicolon.', null)
  }
  const judgement = { tables: [] as TableReference[], functions: new Set<string>(), names: new Set<string>() }
  visit(tree, new Set(), createJudge(sql, judgement, foreign))
  refuseManyTables(countTables(tree, new Map()))
  return { sql: blanked, tree, ...judgement }
}

/** The names of the database's own macros that hold what no statement may, with those that call one of them. */
export async function findRefusedMacros(
  connection: DuckDBConnection,
  foreign: ReadonlySet<string>,
): Promise<Set<string>> {
  const result = await connection.run(`
    SELECT lower(function_name), macro_definition FROM duckdb_functions()
    WHERE function_type = 'macro' AND NOT internal AND database_name = current_database()`)
  const macros = await result.getRows()
  const refused = new Set<string>()
  for (let before = -1; before < refused.size; ) {
    before = refused.size
    for (const [name, definition] of macros) {
      const judged = judgeStatement(connection, `SELECT ${definition}`, new Set([...foreign, ...refused]))
      await judged.catch((error: unknown) => {
        if (!(error instanceof AppError)) throw error
        refused.add(String(name))
      })
    }
  }
  return refused
}

async function parse(connection: DuckDBConnection, sql: string): Promise<Parsed> {
  const statement = await connection.prepare(
    'SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true, skip_default := true)',
  )
  try {
    statement.bindVarchar(1, sql)
    const rows = await (await statement.run()).getRows()
    return JSON.parse(String(rows[0]?.[0])) as Parsed
  } finally {
    statement.destroySync()
  }
}

function onlyStatement(parsed: Parsed, sql: string): SyntaxNode {
  if (parsed.error) {
    if (parsed.error_type === 'parser') {
      const place = parsed.position === undefined ? null : placeOf(sql, Number(parsed.position))
      throw refuse(parsed.error_message ?? 'The statement cannot be parsed.', place)
    }
    const message = `Only one SELECT (or WITH, VALUES) may run here${/^\s*(?:with\b[\s\S]*)?\bpivot\b/i.test(sql) ? '; a PIVOT must name its values with IN (…)' : ''}.`
    throw refuse(message, null)
  }
  const [statement, second] = parsed.statements ?? []
  if (statement === undefined) throw refuse('The statement is empty; write one SELECT.', null)
  if (second !== undefined) throw refuse('There is more than one statement; write one SELECT.', null)
  return statement
}

type Scope = ReadonlySet<string>
type Judge = (node: SyntaxNode, scope: Scope) => void

function createJudge(
  sql: string,
  found: { tables: TableReference[]; functions: Set<string>; names: Set<string> },
  foreign: ReadonlySet<string>,
): Judge {
  const place = (node: SyntaxNode) =>
    typeof node.query_location === 'number' ? placeOf(sql, node.query_location) : null

  function judgeFunction(node: SyntaxNode) {
    const name = String(node.function_name).toLowerCase()
    if (foreign.has(name))
      throw refuse(
        `The function ${name} may not be used: it is an extension's own, or a macro that calls what may not be.`,
        place(node),
      )
    if (refusedFunction.test(name)) {
      throw refuse(
        `The function ${name} may not be used: it tells of the server or runs text as SQL.`,
        place(node),
      )
    }
    found.functions.add(name)
  }

  function judgeTableFunction(node: SyntaxNode) {
    const call = node.function as SyntaxNode | undefined
    const name = String(call?.function_name ?? '').toLowerCase()
    if (!tableFunctions.has(name)) {
      const allowed = [...tableFunctions].join(', ')
      throw refuse(`The table function ${name} may not be used; only ${allowed} may.`, place(node))
    }
  }

  return (node, scope) => {
    if (node.class === 'FUNCTION' || node.class === 'WINDOW') judgeFunction(node)
    else if (node.class === 'PARAMETER')
      throw refuse('The statement has a parameter; write the value itself.', null)
    else if (node.class === 'COLUMN_REF') {
      const names = (node.column_names ?? []) as readonly string[]
      if (names.length === 1) found.names.add(String(names[0]).toLowerCase())
    } else if (node.type === 'TABLE_FUNCTION') judgeTableFunction(node)
    else if (node.type === 'SHOW_REF') {
      throw refuse('SHOW, DESCRIBE and SUMMARIZE may not be used; write a SELECT.', null)
    } else if (node.type === 'BASE_TABLE') {
      const catalog = String(node.catalog_name ?? '')
      const schema = String(node.schema_name ?? '')
      const name = String(node.table_name ?? '')
      if (schema !== '' || catalog !== '' || !scope.has(nameInEngine(name))) {
        const offset = node.query_location
        const at = typeof offset === 'number' ? { offset } : {}
        found.tables.push({ catalog, schema, name, place: place(node), ...at })
      }
    }
    const from = node.from_table as SyntaxNode | undefined
    if (from?.type !== undefined && from.type !== 'SHOW_REF' && !tableReferenceTypes.has(String(from.type))) {
      throw refuse(`What stands after FROM (${from.type}) may not be used.`, place(from))
    }
  }
}

/** Walks the whole tree; `scope` holds the names that WITH has defined there, each from its own definition on. */
function visit(part: unknown, scope: Scope, judge: Judge): void {
  if (Array.isArray(part)) {
    for (const item of part) visit(item, scope, judge)
    return
  }
  if (typeof part !== 'object' || part === null) return
  const node = part as SyntaxNode
  let inner = scope
  for (const { key, value } of definitionsOf(node)) {
    visit(value, inner, judge)
    const name = nameInEngine(key)
    if (engineTable.test(name))
      throw refuse(`WITH ${key} may not be used: tables of the engine have such names.`, null)
    inner = new Set([...inner, name])
  }
  judge(node, inner)
  // A recursion's first part does not see it: there the name is a table's.
  const ownName = node.type === 'RECURSIVE_CTE_NODE' ? String(node.cte_name) : null
  const within = ownName === null ? inner : new Set([...inner, nameInEngine(ownName)])
  for (const [key, child] of Object.entries(node)) {
    if (key !== 'cte_map') visit(child, key === 'right' ? within : inner, judge)
  }
}

/** Each WITH may be planned wherever it is used: some that double from one to the next would be planned for hours. */
const maxTables = 5_000

function refuseManyTables(count: number): void {
  if (count <= maxTables) return
  const message = `The statement reads tables in more than ${maxTables} places, what each WITH reads counted wherever it is used; read from fewer.`
  throw new AppError('TOO_LARGE', message, { details: { most: maxTables } })
}

/** How many tables stand after FROM once every WITH stands in its places. */
function countTables(part: unknown, counts: ReadonlyMap<string, number>): number {
  if (Array.isArray(part)) return part.reduce<number>((sum, item) => sum + countTables(item, counts), 0)
  if (typeof part !== 'object' || part === null) return 0
  const node = part as SyntaxNode
  let within = counts
  for (const { key, value } of definitionsOf(node))
    within = new Map([...within, [nameInEngine(key), countTables(value, within)]])
  if (node.type === 'BASE_TABLE') {
    const isBare = node.schema_name === undefined && node.catalog_name === undefined
    return (isBare ? within.get(nameInEngine(String(node.table_name))) : undefined) ?? 1
  }
  let count = 0
  for (const [key, child] of Object.entries(node)) if (key !== 'cte_map') count += countTables(child, within)
  return count
}

function definitionsOf(node: SyntaxNode): readonly { key: string; value: unknown }[] {
  const map = (node.cte_map as SyntaxNode | undefined)?.map
  return Array.isArray(map) ? (map as { key: string; value: unknown }[]) : []
}

/** `schema.name` as a user would write it. */
export function displayTable({ catalog, schema, name }: TableReference): string {
  return [catalog, schema, name]
    .filter((part) => part !== '')
    .map(spellName)
    .join('.')
}
