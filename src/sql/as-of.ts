// as_of() in a statement: where it is called, and the statement with a moment in place of each call.

import { randomBytes } from 'node:crypto'
import { AppError } from '../errors.ts'
import { formatMicros } from '../values/calendar.ts'
import { microsOfMs } from '../values/moment.ts'

/** From the name's first character to behind its parentheses. */
export interface Call {
  from: number
  to: number
}

/** A statement that asks for a moment: the user's text and the calls in it, in their order. */
export interface Asking {
  text: string
  calls: readonly Call[]
}

/** The name, as every engine takes it. */
export const asOf = 'as_of'

/** What a statement is judged and planned with: any moment does, and this one stands in nobody's text. */
export const anyMoment = 981_173_106_070_809n

/** `type` in the engine's words. */
export function momentLiteral(micros: bigint, type: string): string {
  return `(CAST('${formatMicros(micros).replace('T', ' ').replace('Z', '')}' AS ${type}))`
}

/** The statement with an expression in place of each call. */
export function fill({ text, calls }: Asking, written: string | ((call: number) => string)): string {
  let filled = ''
  let from = 0
  for (const [i, call] of calls.entries()) {
    filled += text.slice(from, call.from) + (typeof written === 'string' ? written : written(i))
    from = call.to
  }
  return filled + text.slice(from)
}

/** Text of a filled statement, as it stands in the user's. */
export function unfill(text: string, written: string): string {
  return text.replaceAll(written, `${asOf}()`).replace(/gateway_moment_[0-9a-f]+_\d+/g, asOf)
}

/** Throws BAD_USER_INPUT where a moment is missing, or asked for in vain. */
export function checkMoment(asking: Asking | null, moment: bigint | undefined): void {
  if (asking === null && moment !== undefined) throw inVain()
  if (asking !== null && moment === undefined)
    throw new AppError('BAD_USER_INPUT', 'The query calls as_of(); say by asOf which moment that is.')
}

/** What as_of() is in a run: as asked, now without that; null where nothing calls it. Throws BAD_USER_INPUT where it is asked for in vain. */
export function momentOf(
  { asksForMoment }: { asksForMoment: boolean },
  asked: bigint | undefined,
): bigint | null {
  const moment = asked ?? (asksForMoment ? microsOfMs(Date.now()) : undefined)
  if (moment !== undefined && (moment < firstMoment || moment > lastMoment))
    throw new AppError('BAD_USER_INPUT', 'asOf must be a moment of the years 0001 to 9999.')
  if (!asksForMoment && moment !== undefined) throw inVain()
  return moment ?? null
}

const firstMoment = -62_135_596_800_000_000n
const lastMoment = 253_402_300_799_999_999n

function inVain(): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    'The query does not call as_of(), so that asOf would change nothing; leave asOf out, or have the query call as_of().',
  )
}

/** The call whose name ends there; null when what follows it is no empty pair of parentheses. */
export function callAt(text: string, { from, to }: Call, nestsComments = true): Call | null {
  const open = behindGap(text, to, nestsComments)
  if (text[open] !== '(') return null
  const close = behindGap(text, open + 1, nestsComments)
  return text[close] === ')' ? { from, to: close + 1 } : null
}

const blank = /[\s\u00a0\ufeff]*/y

/** Behind blanks and comments. */
function behindGap(text: string, from: number, nestsComments: boolean): number {
  for (let at = from; ; ) {
    blank.lastIndex = at
    blank.exec(text)
    const next = blank.lastIndex
    if (text.startsWith('--', next)) {
      const end = text.slice(next).search(/[\r\n]/)
      at = end < 0 ? text.length : next + end
    } else if (text.startsWith('/*', next)) at = behindComment(text, next, nestsComments)
    else return next
  }
}

function behindComment(text: string, from: number, nests: boolean): number {
  const mark = nests ? /\/\*|\*\//g : /\*\//g
  mark.lastIndex = from + 2
  let depth = 1
  for (let match = mark.exec(text); match !== null; match = mark.exec(text)) {
    depth += match[0] === '/*' ? 1 : -1
    if (depth === 0) return mark.lastIndex
  }
  return text.length
}

const mostCalls = 200

/**
 * Which of the places are calls, by an engine that tells of one function that it does not know: in place of each stands
 * a function that nobody has, and of those that it tells of, one after the other, stands the moment. `ask` gives what the
 * engine says of an unknown function, null where it takes the statement, and throws what else is wrong with it.
 */
export async function confirmCalls(
  { text, calls }: Asking,
  written: string,
  ask: (filled: string) => Promise<string | null>,
): Promise<Asking> {
  if (calls.length > mostCalls) {
    const message = `The statement calls as_of() in ${calls.length} places; at most ${mostCalls} are taken. Name it once, in a WITH.`
    throw new AppError('TOO_LARGE', message, { details: { most: mostCalls } })
  }
  const name = `gateway_moment_${randomBytes(6).toString('hex')}`
  const told = new RegExp(`\\b${name}_(\\d+)\\b`)
  const confirmed = new Set<number>()
  for (;;) {
    const filled = fill({ text, calls }, (i) => (confirmed.has(i) ? written : `${name}_${i}()`))
    const said = await ask(filled)
    if (said === null) return { text, calls: calls.filter((_, i) => confirmed.has(i)) }
    const found = told.exec(said)
    if (found === null || confirmed.has(Number(found[1])))
      throw new AppError('INVALID_SQL', unfill(said, written))
    confirmed.add(Number(found[1]))
  }
}

/** For statements that an engine refuses once a moment stands in place of its calls. */
export const valueOnly =
  'as_of() is a timestamp, as a column is: it takes no FILTER and no OVER, and is nothing to read FROM'
