// A statement that reads appended rows as of one moment: in place of the views of them stand the views' own texts, in
// which the ledger is what it was then.

import { randomBytes } from 'node:crypto'
import { AppError } from '../../errors.ts'
import { internalSchema } from '../port.ts'
import { type OwnView, readAnalysis, readsViews } from './analysis.ts'
import { TrinoFailure } from './error.ts'
import { Disturbed, type Ledger, type Pin } from './ledger.ts'
import type { TrinoStatement } from './plan.ts'
import { namesOf } from './schema.ts'
import type { TrinoSession } from './session.ts'
import type { TrinoAddress } from './url.ts'
import { type Token, tokensOf } from './words.ts'

export interface ReadParts {
  session: TrinoSession
  address: TrinoAddress
  ledger: Ledger
}

/**
 * `read` is given the statement to run, and a check to make once it has seen all that it reads, which tells the version.
 * What is appended meanwhile is not seen. Where that cannot be had, the read is done again when something was appended.
 */
export async function readAtOneVersion<T>(
  { session, address, ledger }: ReadParts,
  plan: TrinoStatement,
  read: (plan: TrinoStatement, check: () => Promise<number>) => Promise<T>,
  { signal, held = null }: { signal: AbortSignal | undefined; held?: Pin | null },
): Promise<T> {
  if (!plan.analysis.readsAppends) return read(plan, () => ledger.version(signal))
  const pin = await createPin({ session, address }, plan, signal)
  if (held !== null) return readAtHeld(pin, { ledger, plan, read, held, signal })
  if (pin === null) return ledger.atOneVersion((check) => read(plan, check), signal)
  return ledger.atPin(({ entries, check }) => read({ ...plan, sql: pin(entries) }, check), signal)
}

/** Where the statement cannot be given the entries, nothing may have been appended since. */
async function readAtHeld<T>(
  pin: ((entries: string) => string) | null,
  {
    ledger,
    plan,
    read,
    held,
    signal,
  }: {
    ledger: Ledger
    plan: TrinoStatement
    read: (plan: TrinoStatement, check: () => Promise<number>) => Promise<T>
    held: Pin
    signal: AbortSignal | undefined
  },
): Promise<T> {
  const unchanged = async () => {
    const version = await ledger.version(signal)
    if (version !== held.version) throw new Disturbed()
    return version
  }
  const once = pin === null ? read(plan, unchanged) : read({ ...plan, sql: pin(held.entries) }, held.check)
  return once.catch((error: unknown) => {
    if (!(error instanceof Disturbed)) throw error
    throw new AppError(
      'WAREHOUSE_FAILED',
      'Rows were appended between reads that are to be of one state of the warehouse; try again when less is published.',
    )
  })
}

/** Gives the statement with these entries of the ledger; null when it reads rows in a way that is not understood here: through views of others, say. */
async function createPin(
  { session, address }: Pick<ReadParts, 'session' | 'address'>,
  plan: TrinoStatement,
  signal: AbortSignal | undefined,
): Promise<((entries: string) => string) | null> {
  const describe = (sql: string) => session.query('quick', `SELECT * FROM (\n${sql}\n) t LIMIT 0`, { signal })
  const { sql, lent } = plan
  const { queryId } = await describe(sql)
  const { views } = readAnalysis(await session.info(queryId, signal), { sql, address, lent })
  const pin = writeOut(sql, views, address)
  if (pin === null) return null
  try {
    const found = await describe(pin(`SELECT * FROM ${namesOf(address).ledger}`))
    const isSame = JSON.stringify(found.columns) === JSON.stringify(plan.given)
    return isSame && !readsViews(await session.info(found.queryId, signal)) ? pin : null
  } catch (error) {
    if (error instanceof TrinoFailure && error.fault === 'USER_ERROR') return null
    throw error
  }
}

/** A table's name and what is read in its place. */
interface Replaced {
  catalog: string
  schema: string
  name: string
  by: string
}

function writeOut(sql: string, views: readonly OwnView[], address: TrinoAddress) {
  // Nobody else's name.
  const prefix = `pinned_${randomBytes(8).toString('hex')}`
  const ledger = { catalog: address.rowsCatalog, schema: internalSchema, name: 'ledger', by: prefix }
  const texts = new Map(views.map((view) => [JSON.stringify([view.schema, view.name]), view]))
  const own = [...texts.values()].map((view, i) => ({
    ...view,
    catalog: address.catalog,
    by: `${prefix}_${i}`,
  }))
  const written = own.map(({ by, text }) => ({ by, text: replaceTables(text, [ledger], address) }))
  const statement = replaceTables(sql, own, address)
  if (statement === null || written.some(({ text }) => text === null)) return null
  const list = written.map(({ by, text }) => `${by} AS (${text})`).join(', ')
  return (entries: string) => `WITH ${prefix} AS (${entries}), ${list} SELECT * FROM (\n${statement}\n) t`
}

const before = new Set(['from', 'join', ',', '('])
/** What may follow a table without another name. */
const after = new Set(
  ') , ; where join inner left right full cross natural on using group having window order limit offset fetch union intersect except'.split(
    ' ',
  ),
)
/** What may follow a table, and is no other name for it. */
const unknown = new Set(['.', '(', 'for', 'tablesample', 'match_recognize'])

/** Null when one of the tables stands where what follows it is not understood. Columns that are named by the table's schema are left: the engine refuses them then. */
function replaceTables(sql: string, tables: readonly Replaced[], address: TrinoAddress): string | null {
  const tokens = tokensOf(sql)
  let text = ''
  let from = 0
  for (let i = 0, end = 0; i < tokens.length; i = end) {
    const parts = nameAt(tokens, i)
    end = i + Math.max(1, 2 * parts.length - 1)
    const [previous, first, last, next] = [tokens[i - 1], tokens[i], tokens[end - 1], tokens[end]]
    const table = tables.find((each) => isNamed(each, parts, address))
    if (table === undefined || first === undefined || last === undefined) continue
    if (!before.has(previous?.word ?? '')) continue
    const follows = next?.word ?? ''
    if (unknown.has(follows)) return null
    const isBare = next === undefined || after.has(follows)
    text += `${sql.slice(from, first.from)}${table.by}${isBare ? ` AS ${last.text}` : ''}`
    from = last.to
  }
  return text + sql.slice(from)
}

/** The parts of a name, with dots between them. */
function nameAt(tokens: readonly Token[], index: number): string[] {
  const parts: string[] = []
  for (let i = index; ; i += 2) {
    const name = tokens[i]?.name ?? null
    if (name === null) return parts
    parts.push(name)
    if (tokens[i + 1]?.word !== '.') return parts
  }
}

function isNamed(
  { catalog, schema, name }: Replaced,
  parts: readonly string[],
  address: TrinoAddress,
): boolean {
  const whole = [...[address.catalog, address.schema].slice(0, 3 - parts.length), ...parts]
  return whole.join('\0').toLowerCase() === [catalog, schema, name].join('\0').toLowerCase()
}
