// Looks values of a key up: as literals in the statement, for the protocol carries values in no other way.

import { ValueMismatch } from '../../duckdb/column-types.ts'
import { AppError } from '../../errors.ts'
import type { Row, Value } from '../../values/columns.ts'
import { keyIndex } from '../key-column.ts'
import { type LookupLimits, refuseLargeRows, refuseManyRows } from '../lookup-limits.ts'
import type { LookupRequest, LookupResult } from '../port.ts'
import type { Ledger } from './ledger.ts'
import type { Plan } from './plan.ts'
import type { CellRow, TrinoSession } from './session.ts'

/** Of literals in one statement; it may have a million characters, as the server comes. */
const mostCharacters = 500_000

export async function lookup(
  session: TrinoSession,
  ledger: Ledger,
  plan: Plan,
  { key, values, signal }: LookupRequest,
  limits: LookupLimits,
): Promise<LookupResult> {
  const conditions = conditionsOf(plan, keyIndex(key, plan.columns), { key, values })
  const { columns } = plan
  const read = async () => {
    const rows: Row[] = []
    for (const condition of conditions) {
      const found = await session.query(
        'quick',
        `${plan.select} WHERE ${condition} LIMIT ${limits.rows + 1}`,
        { signal },
      )
      for (const row of found.rows) rows.push(readRow(plan, row))
      refuseManyRows(rows.length, limits)
      refuseLargeRows(rows, limits)
    }
    return rows
  }
  if (conditions.length === 0) return { version: await ledger.version(signal), columns, rows: [] }
  if (!plan.analysis.readsAppends) {
    const [version, rows] = await Promise.all([ledger.version(signal), read()])
    return { version, columns, rows }
  }
  return ledger.atOneVersion(async (check) => {
    const rows = await read()
    return { version: await check(), columns, rows }
  }, signal)
}

export function readRow({ carriers }: Plan, cells: CellRow): Row {
  return carriers.map((carrier, i) => {
    const cell = cells[i] ?? null
    return cell === null ? null : carrier.read(cell)
  })
}

/** What the key is compared by, and how values of it are written; a type that cannot be a key is refused. */
export function keyOf(plan: Plan, index: number) {
  const { literal, key, type } = plan.carriers[index] ?? {}
  if (literal == null || key === undefined) {
    const name = plan.columns[index]?.name
    throw new AppError(
      'BAD_USER_INPUT',
      `Column "${name}" is of type ${type}, by which nothing can be looked up.`,
    )
  }
  return { literal, expression: key(plan.names[index] ?? '') }
}

/** Of the values those that a row can have, each once, in statements of a length that the server takes. */
function conditionsOf(
  plan: Plan,
  index: number,
  { key, values }: Pick<LookupRequest, 'key' | 'values'>,
): string[] {
  const { literal, expression } = keyOf(plan, index)
  const literals = new Set<string>()
  let hasNaN = false
  for (const value of values as readonly Exclude<Value, null>[]) {
    const text = written(key, () => literal(value))
    // Not equal to itself.
    if (Number.isNaN(value)) hasNaN = true
    else if (text !== null) literals.add(text)
  }
  const lists = listsOf([...literals]).map((list) => `${expression} IN (${list})`)
  return hasNaN ? [...lists, `is_nan(${expression})`] : lists
}

/** The condition of what stands behind a value in the key's order, where NaN is the last. */
export function comesAfter(
  plan: Plan,
  index: number,
  { key, after }: { key: string; after: Exclude<Value, null> },
): string {
  if (Number.isNaN(after)) return 'false'
  const { literal, expression } = keyOf(plan, index)
  const text = written(key, () => literal(after))
  if (text === null) return `${expression} IS NOT NULL`
  const isBehind = `${expression} > ${text}`
  return plan.columns[index]?.type === 'FLOAT64' ? `(${isBehind} OR is_nan(${expression}))` : isBehind
}

/** What a value that is none of the column's type makes of the writing. */
function written<T>(key: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    if (!(error instanceof ValueMismatch)) throw error
    const message = `Column "${key}": ${error.message}.`
    throw new AppError('BAD_USER_INPUT', message, { cause: error, details: { key } })
  }
}

function listsOf(literals: readonly string[]): string[] {
  const lists: string[] = []
  let length = Number.POSITIVE_INFINITY
  for (const text of literals) {
    length += text.length + 2
    if (length > mostCharacters) {
      lists.push(text)
      length = text.length
    } else lists[lists.length - 1] += `, ${text}`
  }
  return lists
}
