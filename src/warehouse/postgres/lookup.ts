// Looks values of a key up: rows and version in one statement, in the way that the server thinks cheaper.

import { ValueMismatch } from '../../duckdb/column-types.ts'
import { AppError } from '../../errors.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Row, Value } from '../../values/columns.ts'
import { keyForm } from '../../values/key-forms.ts'
import { keyIndex } from '../key-column.ts'
import { type LookupLimits, refuseLargeRows, refuseManyRows, tooLarge } from '../lookup-limits.ts'
import { PlanOutdated } from '../plan-cache.ts'
import type { LookupRequest, LookupResult } from '../port.ts'
import { readVersion } from './append.ts'
import { isWithinRange, quoteItem } from './column-types.ts'
import { isServerError, toPostgresError } from './error.ts'
import { assertCurrent, type Plan } from './plan.ts'
import { internalSchema } from './schema.ts'
import type { Session, TextRow } from './session.ts'
import { lengthInCharacters } from './text.ts'

export async function lookup(
  session: Session,
  plan: Plan,
  request: LookupRequest,
  limits: LookupLimits,
): Promise<LookupResult> {
  const index = keyIndex(request.key, plan.columns)
  const texts = encodeKeys(plan, index, request)
  if (texts.length === 0) return { version: await readVersion(session), columns: plan.columns, rows: [] }
  const keys = `{${texts.map(quoteItem).join(',')}}`
  const statement = await chooseStatement(session, { plan, index, keys, count: texts.length }).catch(
    (error: unknown) => failed(session, plan, error),
  )
  try {
    const asked = session.query(`${statement.text} LIMIT ${limits.rows + 1}`, [keys], {
      bytes: 2 * limits.megabytes * 1_000_000,
      tooLarge: () => tooLarge(limits),
    })
    const found = await asked.catch((error: unknown) => failed(session, plan, error))
    await assertCurrent(session, plan)
    refuseManyRows(found.length, limits)
    const rows: Row[] = []
    for (const row of found) if (row[1] !== null) rows.push(readRow(plan, row, 2))
    refuseLargeRows(rows, limits)
    return { version: Number(found[0]?.[0]), columns: plan.columns, rows }
  } catch (error) {
    throw toPostgresError(error, { sql: request.sql, offset: lengthInCharacters(statement.prefix) })
  }
}

/** Throws the failure, or that the plan is outdated, which may be why. */
async function failed(session: Session, plan: Plan, error: unknown): Promise<never> {
  const [asserted] = await Promise.allSettled([isServerError(error) && assertCurrent(session, plan)])
  throw asserted.status === 'rejected' && asserted.reason instanceof PlanOutdated ? asserted.reason : error
}

export function readRow({ carriers }: Plan, cells: TextRow, from = 0): Row {
  return carriers.map((carrier, i) => {
    const text = cells[from + i] ?? null
    return text === null ? null : carrier.read(text)
  })
}

/** Without those that no row can have. */
function encodeKeys({ carriers, columns }: Plan, index: number, { key, values }: LookupRequest): string[] {
  const carrier = carriers[index]
  const { type, native } = columns[index] ?? {}
  if (carrier === undefined || type === undefined) return []
  const form = type === 'STRING' ? keyForm(native ?? '') : undefined
  const texts = new Set<string>()
  try {
    for (const value of values as readonly Exclude<Value, null>[]) {
      const text = carrier.encode(value)
      const canonical = form === undefined ? text : form.parse(text)
      if (canonical !== undefined && isWithinRange(type, value)) texts.add(canonical)
    }
  } catch (error) {
    if (!(error instanceof ValueMismatch)) throw error
    const message = `Column "${key}": ${error.message}.`
    throw new AppError('BAD_USER_INPUT', message, { cause: error, details: { key } })
  }
  return [...texts]
}

interface Asked {
  plan: Plan
  index: number
  /** As an array's text. */
  keys: string
  count: number
}

interface Statement {
  prefix: string
  text: string
}

const version = `SELECT (SELECT version FROM ${internalSchema}.version), r.* FROM (VALUES (1)) one LEFT JOIN `

/** The query once, its rows filtered by all the values. */
function lookupTogether({ plan, index }: Asked): Statement {
  const name = quoteName(plan.columns[index]?.name ?? '')
  const carrier = plan.carriers[index]
  const key =
    carrier?.keyType == null
      ? `(${carrier?.select(`t.${name}`)})::text = ANY($1::text[])`
      : `t.${name} = ANY($1::${carrier.keyType}[])`
  const prefix = `${version}(${selectHit(plan)}`
  return { prefix, text: `${prefix}${plan.sql}\n) t WHERE ${key}) r ON true` }
}

/**
 * The query once for each value, which is then a constant in it: that reaches places where a list of values does not,
 * a grouped subquery that is joined by the key, say.
 */
function lookupEach({ plan, index }: Asked): Statement {
  const name = quoteName(plan.columns[index]?.name ?? '')
  const type = plan.carriers[index]?.keyType
  const prefix = `${version}((SELECT DISTINCT value FROM unnest($1::${type}[]) value) k CROSS JOIN LATERAL (${selectHit(plan)}`
  // OFFSET keeps the server from merging the query with what is around it.
  const text = `${prefix}${plan.sql}\n) t WHERE t.${name} = k.value OFFSET 0) r) ON true`
  return { prefix, text }
}

function selectHit({ select }: Plan): string {
  return select.replace(/^SELECT /, 'SELECT true AS hit, ')
}

async function chooseStatement(session: Session, asked: Asked): Promise<Statement> {
  const { plan, index, keys, count } = asked
  const together = lookupTogether(asked)
  if (plan.carriers[index]?.keyType == null) return together
  const each = lookupEach(asked)
  const size = index * 64 + Math.ceil(Math.log2(count))
  const known = plan.ways.get(size)
  if (known !== undefined) return known === 'each' ? each : together
  const costTogether = await costOf(session, together, keys)
  const way = (await costOf(session, each, keys)) < costTogether ? 'each' : 'together'
  plan.ways.set(size, way)
  return way === 'each' ? each : together
}

async function costOf(session: Session, { text }: Statement, keys: string): Promise<number> {
  return (await explain(session, text, [keys])).cost
}

/** What the server expects of a statement. */
export async function explain(
  session: Session,
  statement: string,
  values: readonly string[] = [],
): Promise<{ cost: number; rows: number }> {
  const [row] = await session.query(`EXPLAIN (FORMAT JSON) ${statement}`, values)
  const [{ Plan: plan } = { Plan: {} }] = JSON.parse(row?.[0] ?? '[]') as { Plan: Record<string, number> }[]
  return { cost: plan['Total Cost'] ?? 0, rows: plan['Plan Rows'] ?? 0 }
}
