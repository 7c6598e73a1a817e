// Looks keys up: rows and version in one statement, in the way that the server thinks cheaper.

import { quoteName } from '../../sql/sql-text.ts'
import type { Row } from '../../values/columns.ts'
import { keyForm } from '../../values/key-forms.ts'
import { type KeyWriter, keyPlaces, writeKeys, writeKeyValue } from '../key-columns.ts'
import { readVersion } from '../ledger.ts'
import { type LookupLimits, refuseLargeRows, refuseManyRows, tooLarge } from '../lookup-limits.ts'
import { PlanOutdated } from '../plan-cache.ts'
import { type Selection, selectWhere, writtenOf } from '../planned-statement.ts'
import type { LookupRequest, LookupResult } from '../port.ts'
import { internalSchema } from '../port.ts'
import type { TimelineTerms } from '../timeline.ts'
import { isWithinRange, quoteItem } from './column-types.ts'
import { isServerError, toPostgresError } from './error.ts'
import type { TextRow } from './messages.ts'
import { assertCurrent, type PostgresStatement } from './plan.ts'
import type { QueryLimits, Session } from './session.ts'
import { lengthInCharacters } from './text.ts'
import { timelineTerms } from './timeline.ts'

export async function lookup(
  session: Session,
  plan: PostgresStatement,
  request: LookupRequest,
  limits: LookupLimits,
): Promise<LookupResult> {
  const prepared = await prepareLookup(session, plan, request, limits)
  if (prepared === null) return { version: await readVersion(session), columns: plan.columns, rows: [] }
  try {
    const reading = session.query(prepared.sql, prepared.lists, bytesWithin(limits))
    const found = await reading.catch((error: unknown) => failed(session, plan, error))
    await assertCurrent(session, plan)
    return readFound(plan, found, limits)
  } catch (error) {
    throw toPostgresError(error, { ...writtenOf(plan), offset: lengthInCharacters(prepared.prefix) })
  }
}

export interface PreparedLookup {
  sql: string
  /** What stands before the user's text. */
  prefix: string
  /** What is bound: the keys' values, of each column as an array's text. */
  lists: readonly string[]
}

/** Null where no key could be a row's. */
export async function prepareLookup(
  session: Session,
  plan: PostgresStatement,
  request: Pick<LookupRequest, 'key' | 'values' | 'timeline'>,
  limits: LookupLimits,
): Promise<PreparedLookup | null> {
  const places = keyPlaces(request.key, plan.columns)
  const encoders = places.map((place, c) => encoderOf(plan, place, request.key[c] ?? ''))
  const keys = writeKeys(encoders, request.values)
  if (keys.length === 0) return null
  const lists = places.map((_, c) => `{${keys.map((key) => quoteItem(key[c] ?? '')).join(',')}}`)
  const timeline = timelineTerms(plan, request)
  const asked = { plan, places, lists, timeline, count: keys.length }
  const { prefix, text } = await chooseStatement(session, asked).catch((error: unknown) =>
    failed(session, plan, error),
  )
  return { sql: `${text} LIMIT ${limits.rows + 1}`, prefix, lists }
}

export function bytesWithin(limits: LookupLimits): QueryLimits {
  return { bytes: 2 * limits.megabytes * 1_000_000, tooLarge: () => tooLarge(limits) }
}

/** Throws TOO_LARGE. */
export function readFound(
  plan: PostgresStatement,
  found: readonly TextRow[],
  limits: LookupLimits,
): LookupResult {
  refuseManyRows(found.length, limits)
  const rows: Row[] = []
  for (const row of found) if (row[1] !== null) rows.push(readRow(plan, row, columnsBefore))
  refuseLargeRows(rows, limits)
  return { version: Number(found[0]?.[0]), columns: plan.columns, rows }
}

/** Throws the failure, or that the plan is outdated, which may be why. */
async function failed(session: Session, plan: PostgresStatement, error: unknown): Promise<never> {
  const [asserted] = await Promise.allSettled([isServerError(error) && assertCurrent(session, plan)])
  throw asserted.status === 'rejected' && asserted.reason instanceof PlanOutdated ? asserted.reason : error
}

export function readRow({ carriers }: PostgresStatement, cells: TextRow, from = 0): Row {
  return carriers.map((carrier, i) => {
    const text = cells[from + i] ?? null
    return text === null ? null : carrier.read(text)
  })
}

/** As texts. */
function encoderOf({ carriers, columns }: PostgresStatement, place: number, name: string): KeyWriter<string> {
  const carrier = carriers[place]
  const { type, native } = columns[place] ?? {}
  if (carrier === undefined || type === undefined) throw new Error(`Column ${name} has no type`)
  const form = type === 'STRING' ? keyForm(native ?? '') : undefined
  return (value) => {
    if (value === undefined || !isWithinRange(type, value)) return undefined
    const text = writeKeyValue(name, () => carrier.encode(value))
    return form === undefined ? text : form.parse(text)
  }
}

interface Asked {
  plan: PostgresStatement
  places: readonly number[]
  /** The keys' values, of each column as an array's text. */
  lists: readonly string[]
  timeline: TimelineTerms | null
  count: number
}

/** The version, and whether a row was found. */
export const columnsBefore = 2

const version = `SELECT (SELECT version FROM ${internalSchema}.version), r.* FROM (VALUES (1)) one LEFT JOIN `

/** The query once, its rows filtered by all the values: by each column's, which an index may serve, then by those that belong together. */
function lookupTogether({ plan, places, timeline, count }: Asked): Selection {
  const terms = places.map((place, c) => {
    const name = quoteName(plan.columns[place]?.name ?? '')
    const carrier = plan.carriers[place]
    return carrier?.keyType == null
      ? { value: `(${carrier?.select(`t.${name}`)})::text`, list: `$${c + 1}::text[]` }
      : { value: `t.${name}`, list: `$${c + 1}::${carrier.keyType}[]` }
  })
  const among = terms.map(({ value, list }) => `${value} = ANY(${list})`)
  if (places.length > 1 && count > 1)
    among.push(
      `(${terms.map(({ value }) => value).join(', ')}) IN (SELECT * FROM unnest(${terms.map(({ list }) => list).join(', ')}))`,
    )
  const { prefix, text } = selectHit(plan, among, timeline)
  return {
    prefix: `${version}(${prefix}`,
    text: `${version}(${text}) r ON true`,
  }
}

/**
 * The query once for each key, whose values are then constants in it: that reaches places where a list of values does not,
 * a grouped subquery that is joined by the key, say.
 */
function lookupEach({ plan, places, timeline }: Asked): Selection {
  const lists = places.map((place, c) => `$${c + 1}::${plan.carriers[place]?.keyType}[]`)
  const values = places.map((_, c) => `v${c}`).join(', ')
  const equal = places.map((place, c) => `t.${quoteName(plan.columns[place]?.name ?? '')} = k.v${c}`)
  const keys = `(SELECT DISTINCT ${values} FROM unnest(${lists.join(', ')}) u(${values})) k`
  const { prefix, text } = selectHit(plan, equal, timeline)
  const start = `${version}(${keys} CROSS JOIN LATERAL (`
  // OFFSET keeps the server from merging the query with what is around it.
  return {
    prefix: `${start}${prefix}`,
    text: `${start}${text} OFFSET 0) r) ON true`,
  }
}

function selectHit(
  plan: PostgresStatement,
  conditions: readonly string[],
  timeline: TimelineTerms | null,
): Selection {
  return selectWhere(plan, conditions.join(' AND '), timeline, ['true AS hit', ...plan.expressions])
}

async function chooseStatement(session: Session, asked: Asked): Promise<Selection> {
  const { plan, places, lists, count } = asked
  const together = lookupTogether(asked)
  if (places.some((place) => plan.carriers[place]?.keyType == null)) return together
  const each = lookupEach(asked)
  const names = places.map((place) => plan.columns[place]?.name)
  const size = JSON.stringify([names, Math.ceil(Math.log2(count)), asked.timeline !== null])
  const known = plan.ways.get(size)
  if (known !== undefined) return known === 'each' ? each : together
  const costTogether = await costOf(session, together, lists)
  const way = (await costOf(session, each, lists)) < costTogether ? 'each' : 'together'
  plan.ways.set(size, way)
  return way === 'each' ? each : together
}

async function costOf(session: Session, { text }: Selection, lists: readonly string[]): Promise<number> {
  return (await explain(session, text, lists)).cost
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
