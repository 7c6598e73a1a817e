// Finds what gives a statement another result at each run: the clock, randomness, a sample.
// A clock may be read unseen: where a text is read as a date or a time, `now`, `today` and their kin mean the run's.

import { quoteText } from '../../../sql/sql-text.ts'
import { isServerError } from '../error.ts'
import type { Analysis } from '../judge.ts'
import type { Session } from '../session.ts'
import { type WrittenText, writtenTexts } from '../text.ts'
import { type CalledFunction, clocks, inputs, samplers } from './functions.ts'
import { clockWord, spellsNoClock } from './spelling.ts'
import { listOf, numberOf, parseTree, type TreeNode, textOf, visitNodes } from './tree.ts'

/** As a user would call it; null when the same rows always give the same result. */
export async function findChange(
  session: Session,
  { sql, trees, analysis }: { sql: string; trees: readonly string[]; analysis: Analysis },
): Promise<string | null> {
  const called = [...analysis.functions.values()].map(nameChange).find((name) => name !== null)
  if (called != null) return called
  const readings: Reading[] = []
  try {
    for (const tree of trees) {
      const change = lookThrough(tree, analysis, readings)
      if (change !== null) return change
    }
  } catch {
    return 'what the server tells in a form that is not known here'
  }
  return (await findReading(session, readings)) ?? (await findWord(session, sql))
}

const sample = 'a sample'
const timeWithZone = '1266'

function nameChange({ name, isOwn, isVolatile, argumentTypes, initialText }: CalledFunction): string | null {
  if (isVolatile) return samplers.has(name) ? sample : `${name}()`
  if (!isOwn) return initialText !== null && clockWord.test(initialText) ? `${name}()` : null
  if (clocks.has(name) || inputs.test(name)) return `${name}()`
  if (name === 'age' && argumentTypes.length === 1) return 'age() of one argument'
  // How far a zone is from UTC is asked for today: such a time has no date.
  return name === 'timezone' && argumentTypes.at(-1) === timeWithZone
    ? 'the zone of a time without date'
    : null
}

/** A place where a value of these types comes of a text that is not known before the run. */
interface Reading {
  types: readonly string[]
  isConstant: boolean
}

const clockValues = [
  'current_date',
  'current_time',
  'current_time',
  'current_timestamp',
  'current_timestamp',
  'localtime',
  'localtime',
  'localtimestamp',
  'localtimestamp',
]
/** They fill rows of given types from JSON. */
const fillers = /^jsonb?_(populate_record|to_record)/

function lookThrough(tree: string, { functions }: Analysis, readings: Reading[]): string | null {
  let change: string | null = null
  const names = (oid: number) => functions.get(oid)?.name ?? ''
  const read = (...types: readonly string[]) => readings.push({ types, isConstant: false })
  visitNodes(parseTree(tree), (node, queries) => {
    switch (node.kind) {
      case 'TABLESAMPLECLAUSE':
        change ??= sample
        break
      case 'SQLVALUEFUNCTION':
        change ??= clockValues[numberOf(node, 'op')] ?? null
        break
      case 'COERCEVIAIO':
        if (!spellsNoClock(node.fields.get('arg'), queries, names)) read(textOf(node, 'resulttype'))
        break
      case 'JSONRETURNING':
        read(textOf(node, 'typid'))
        break
      case 'TABLEFUNC':
        read(...numbersOf(node, 'coltypes'))
        break
      case 'RANGETBLFUNCTION':
        read(...numbersOf(node, 'funccoltypes'))
        break
      case 'FUNCEXPR':
        if (fillers.test(names(numberOf(node, 'funcid')))) read(textOf(node, 'funcresulttype'))
        break
      case 'CONST':
        readings.push({ types: [textOf(node, 'consttype')], isConstant: true })
    }
  })
  return change
}

/** `(o 23 1184)` */
function numbersOf(node: TreeNode, field: string): string[] {
  return listOf(node, field).slice(1).map(String)
}

/** Those of the types that are, or hold, a date or a time: arrays, ranges, composites and domains of one, at any depth. */
async function findReading(session: Session, readings: readonly Reading[]): Promise<string | null> {
  const types = new Set(readings.flatMap((reading) => reading.types))
  const rows = await session.query(
    `WITH RECURSIVE held(outside, oid) AS (
       SELECT t, t FROM unnest($1::oid[]) t
       UNION SELECT h.outside, i.oid FROM held h JOIN pg_catalog.pg_type t ON t.oid = h.oid CROSS JOIN LATERAL (
         SELECT t.typelem UNION ALL SELECT t.typbasetype
         UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
         UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = t.typrelid AND t.typrelid <> 0 AND a.attnum > 0 AND NOT a.attisdropped) i(oid))
     SELECT outside::text, pg_catalog.format_type(outside, NULL), bool_or(oid = ${timeWithZone})::text
     FROM held WHERE oid IN (1082, 1083, 1114, 1184, ${timeWithZone}) GROUP BY outside`,
    [`{${[...types].filter((type) => /^\d+$/.test(type)).join(',')}}`],
  )
  for (const [type = '', name, isOfZone] of rows) {
    const found = readings.filter((reading) => reading.types.includes(String(type)))
    if (found.some(({ isConstant }) => !isConstant))
      return `a text that is read as ${name} at the run, in which 'now' would be that moment (to_timestamp and to_date with a format know no such word),`
    if (found.length > 0 && isOfZone === 'true') return `a constant of ${name}, whose zone may be today's,`
  }
  return null
}

/** Each is an analysis of the whole statement. */
const maxAsked = 100
/** What the server says where a text is no value of the type it is read as: of dates and times it says otherwise. */
const noValue = '22P02'

/**
 * A text that is written for a date or a time is read as the statement is taken, and of the word nothing is left to be
 * seen. So the statement is taken once more with another word in its place: the server refuses that in a date or a time.
 */
async function findWord(session: Session, sql: string): Promise<string | null> {
  const words = findWords(sql)
  if (words.length === 0 || (await findRefusal(session, spellOtherwise(sql, words))) === null) return null
  for (const word of words.slice(0, maxAsked)) {
    const refusal = await findRefusal(session, spellOtherwise(sql, [word]))
    if (refusal !== null && refusal !== noValue) return `'${word.word.toLowerCase()}'`
  }
  return words.length > maxAsked ? `one of ${words.length} texts like '${words[0]?.word}'` : null
}

interface WrittenWord {
  text: WrittenText
  word: string
  at: number
}

function findWords(sql: string): WrittenWord[] {
  const all = new RegExp(clockWord, 'gi')
  return writtenTexts(sql).flatMap((text) =>
    [...text.value.matchAll(all)].map((found) => ({ text, word: found[0], at: found.index })),
  )
}

/** With an x for the last letter of each word, which makes it none. */
function spellOtherwise(sql: string, words: readonly WrittenWord[]): string {
  let spelt = ''
  let from = 0
  for (const text of new Set(words.map((word) => word.text))) {
    const letters = [...text.value.split('')]
    for (const word of words) if (word.text === text) letters[word.at + word.word.length - 1] = 'x'
    spelt += `${sql.slice(from, text.from)}${quoteText(letters.join(''))}`
    from = text.to
  }
  return spelt + sql.slice(from)
}

/** The SQLSTATE with which the server takes no such statement; null where it does. */
async function findRefusal(session: Session, sql: string): Promise<string | null> {
  await session.script('SAVEPOINT spelt')
  try {
    await session.describe(sql)
    return null
  } catch (error) {
    if (!isServerError(error)) throw error
    return error.code
  } finally {
    await session.script('ROLLBACK TO SAVEPOINT spelt')
  }
}
