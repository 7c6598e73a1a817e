// Looks keys up: as literals in the statement, for the protocol carries values in no other way.

import type { Row } from '../../values/columns.ts'
import type { KeyValues } from '../../values/entity-key.ts'
import { comesAfter, writeKeys } from '../key-columns.ts'
import { type LookupLimits, refuseLargeRows, refuseManyRows } from '../lookup-limits.ts'
import { selectWhere } from '../planned-statement.ts'
import type { LookupRequest, LookupResult } from '../port.ts'
import { type KeyTerm, keyTermsOf } from './key-terms.ts'
import type { Pin } from './ledger.ts'
import { type ReadParts, readAtOneVersion } from './pinned.ts'
import type { TrinoStatement } from './plan.ts'
import type { CellRow } from './session.ts'
import { timelineTerms } from './timeline.ts'

/** Of literals in one statement; it may have a million characters, as the server comes. */
const maxCharacters = 500_000

export async function lookup(
  parts: ReadParts & { limits: LookupLimits },
  plan: TrinoStatement,
  request: LookupRequest,
  held: Pin | null,
): Promise<LookupResult> {
  const { session, ledger, limits } = parts
  const { key, values, signal } = request
  const conditions = conditionsOf(keyTermsOf(plan, key), values)
  const timeline = timelineTerms(plan, request)
  const { columns } = plan
  const read = async (asked: TrinoStatement) => {
    const rows: Row[] = []
    for (const condition of conditions) {
      const found = await session.query(
        'quick',
        `${selectWhere(asked, condition, timeline).text} LIMIT ${limits.rows + 1}`,
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
    const [version, rows] = await Promise.all([ledger.version(signal), read(plan)])
    return { version, columns, rows }
  }
  const readAll = async (asked: TrinoStatement, check: () => Promise<number>) => {
    const rows = await read(asked)
    return { version: await check(), columns, rows }
  }
  return held === null
    ? ledger.atOneVersion((check) => readAll(plan, check), signal)
    : readAtOneVersion(parts, plan, readAll, { signal, held })
}

export function readRow({ carriers }: TrinoStatement, cells: CellRow): Row {
  return carriers.map((carrier, i) => {
    const cell = cells[i] ?? null
    return cell === null ? null : carrier.read(cell)
  })
}

type Written = readonly (string | null)[]

/** In statements of a length that the server takes. */
function conditionsOf(terms: readonly KeyTerm[], values: readonly KeyValues[]): string[] {
  const keys = writeKeys(
    terms.map(({ write }) => write),
    values,
  )
  return chunksOf(keys).map((chunk) => conditionOf(terms, chunk))
}

/** Each column among its values, which connectors can search by; then the values that belong together. */
function conditionOf(terms: readonly KeyTerm[], keys: readonly Written[]): string {
  const each = terms.map(({ expression }, c) => {
    const texts = new Set(keys.map((key) => key[c] ?? null))
    const ofNaN = texts.delete(null) ? [`is_nan(${expression})`] : []
    const among = texts.size === 0 ? [] : [`${expression} IN (${[...texts].join(', ')})`]
    return anyOf([...among, ...ofNaN])
  })
  if (terms.length === 1 || keys.length === 1) return each.join(' AND ')
  const whole = keys.filter((key) => !key.includes(null)).map((key) => `ROW(${key.join(', ')})`)
  const row = `ROW(${terms.map(({ expression }) => expression).join(', ')})`
  const present = terms.map(({ expression }) => `${expression} IS NOT NULL`).join(' AND ')
  // Of a row with a null in it the engine fails to tell whether it is among many.
  const together = whole.length === 0 ? [] : [`IF(${present}, ${row} IN (${whole.join(', ')}), false)`]
  const apart = keys
    .filter((key) => key.includes(null))
    .map((key) => `(${terms.map((term, c) => equals(term, key[c] ?? null)).join(' AND ')})`)
  return [...each, anyOf([...together, ...apart])].join(' AND ')
}

function equals({ expression }: KeyTerm, text: string | null): string {
  return text === null ? `is_nan(${expression})` : `${expression} = ${text}`
}

function anyOf(conditions: readonly string[]): string {
  return conditions.length === 1 ? conditions.join() : `(${conditions.join(' OR ')})`
}

/** In each column NaN is the last. No row holds a value that cannot be written. */
export function comesAfterKey(terms: readonly KeyTerm[], after: KeyValues): string {
  return comesAfter(
    terms.map((term, c) => {
      const text = term.write(after[c])
      return { isEqual: text === undefined ? 'false' : equals(term, text), isBehind: isBehind(term, text) }
    }),
  )
}

function isBehind({ expression, isFloat }: KeyTerm, text: string | null | undefined): string {
  if (text === null) return 'false'
  if (text === undefined) return `${expression} IS NOT NULL`
  const isGreater = `${expression} > ${text}`
  return isFloat ? `(${isGreater} OR is_nan(${expression}))` : isGreater
}

/** Of several columns each literal is written twice. */
function chunksOf(keys: readonly Written[]): Written[][] {
  const chunks: Written[][] = []
  let length = Number.POSITIVE_INFINITY
  for (const key of keys) {
    const own = key.reduce((sum, text) => sum + (text?.length ?? 0) + 8, 0) * (key.length === 1 ? 1 : 2)
    length += own
    if (length > maxCharacters) {
      chunks.push([])
      length = own
    }
    chunks.at(-1)?.push(key)
  }
  return chunks
}
