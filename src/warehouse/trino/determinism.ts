// What a statement on Trino promises of its result, as far as the engine's own plan of it shows: EXPLAIN names the functions,
// types and columns that each step works on, but its expressions are texts. What is not plain in it is left open.

import { z } from 'zod'
import type { Certainty } from '../../sql/determinism.ts'
import { exact, type Finding, open, rounding, worst } from '../../sql/finding.ts'

interface Step {
  name: string
  descriptor: Readonly<Record<string, string>>
  outputs: readonly { name: string; type: string }[]
  details: readonly string[]
  children: readonly Step[]
}

const step: z.ZodType<Step> = z.object({
  name: z.string(),
  descriptor: z.record(z.string(), z.string()),
  outputs: z.array(z.object({ name: z.string(), type: z.string() })),
  details: z.array(z.string()),
  children: z.array(z.lazy(() => step)),
})

/** Null where its form is not known here. */
export function readPlan(text: unknown): Step | null {
  return step.safeParse(typeof text === 'string' ? JSON.parse(text) : text).data ?? null
}

/** Steps that pass on, choose or match rows by their values alone. */
const plainSteps =
  /^(Output|Project|Filter|FilterProject|TableScan|Scan(Filter)?(Project)?|Values|(Inner|Left|Right|Full|Cross|Semi)Join|(Local|Remote)(Exchange|Merge)|(Partial)?Sort|(\w+ )?Unnest|AssignUniqueId|EnforceSingleRow|MarkDistinct|GroupId|Aggregate|Window)$/
/** A scan may do in the source's own engine what then is in no step. */
const pushedDown = /query|limit|sort|topn|aggregat|sample|_pfgnrtd_/i
const ofSet =
  /^(count|count_if|min|max|bool_and|bool_or|every|bitwise_(and|or|xor)_agg|checksum|rank|dense_rank|percent_rank|cume_dist)$/
const sums =
  /^(sum|avg|stddev(_pop|_samp)?|variance|var_(pop|samp)|corr|covar_(pop|samp)|regr_(slope|intercept)|geometric_mean|skewness|kurtosis)$/
/** `changing` is what gives another result at each run, `hasLimit` whether the statement, or a view of it, speaks of a limit. */
export function judgePlan(
  plan: Step | null,
  { changing, hasLimit }: { changing: string | null; hasLimit: boolean },
): Certainty {
  if (plan === null)
    return { columns: [], rows: open('Trino tells its plan in a form that is not known here') }
  const found = new Map<string, Finding>()
  const rows: Finding[] = []
  if (changing !== null) rows.push(open(`${changing} gives another result at each run`))
  if (hasLimit)
    rows.push(open('it may have a LIMIT or an OFFSET, of which Trino does not tell whether rows tie'))
  lookThrough(plan, found, rows)
  return { columns: plan.outputs.map(({ name }) => found.get(name) ?? exact), rows: worst(rows) }
}

/** From the leaves on: what is found of each symbol, whose names differ all over a plan. */
function lookThrough(node: Step, found: Map<string, Finding>, rows: Finding[]): void {
  for (const child of node.children) lookThrough(child, found, rows)
  const { name, descriptor, details, outputs } = node
  const isScan = name.startsWith('Scan') || name === 'TableScan'
  if (!plainSteps.test(name))
    rows.push(open(`what Trino calls ${name} leaves its rows open or is not known here`))
  if (isScan && pushedDown.test([descriptor.table, ...details].join(' ')))
    rows.push(open('its source does a part of it that Trino does not show'))
  // The order of rows is nothing that is compared, and the names of the result are no symbols.
  if (!/^(Output|(Partial)?Sort|(Local|Remote)Merge)$/.test(name))
    rows.push(decided(Object.values(descriptor).join(' '), found, name))
  const assigned = new Map(details.flatMap(assignmentOf))
  for (const { name: symbol, type } of outputs) {
    const text = assigned.get(symbol)
    if (text !== undefined && name !== 'Output') found.set(symbol, findingOf(text, { name, type }, found))
    else if (!found.has(symbol)) found.set(symbol, passedOn(node, type, found))
  }
}

/** `sum := sum(x)` */
function assignmentOf(detail: string): [string, string][] {
  const [, symbol, text] = /^(\S+) := ([\s\S]*)$/.exec(detail) ?? []
  return symbol === undefined || text === undefined ? [] : [[symbol, text]]
}

/** Of a union, whose columns have other names beneath: one of that type. */
function passedOn({ children }: Step, type: string, found: ReadonlyMap<string, Finding>): Finding {
  const beneath = children.flatMap(({ outputs }) => outputs).filter((output) => output.type === type)
  return worst(beneath.map(({ name }) => found.get(name) ?? exact))
}

function findingOf(
  text: string,
  { name, type }: { name: string; type: string },
  found: ReadonlyMap<string, Finding>,
): Finding {
  const given = worst(symbolsOf(text, found))
  if (name === 'Aggregate' || name === 'Window') return collected(text, { name, type }, given)
  if (given.level === 'EXACT' || found.has(text)) return given
  return isSmooth(text) ? given : hardened(given)
}

/** `$operator$multiply(sum, double '2.0')`: nothing but arithmetic of values and constants. */
function isSmooth(text: string): boolean {
  const value = `(?:\\w+ )?'[^']*'|[\\w$]+`
  const call = new RegExp(
    `\\$operator\\$(?:add|subtract|multiply|divide|negation)\\((?:${value})(?:, (?:${value}))*\\)`,
    'g',
  )
  let [before, left] = ['', text]
  while (left !== before) [before, left] = [left, left.replace(call, 'value')]
  return new RegExp(`^(?:${value})$`).test(left)
}

/** What an aggregate, or a part of one, makes of values. */
function collected(text: string, { name, type }: { name: string; type: string }, given: Finding): Finding {
  const [called = ''] = /^\w+(?=\()/.exec(text) ?? []
  const isByRows = / ROWS /.test(text) && !text.endsWith('ROWS UNBOUNDED_PRECEDING UNBOUNDED_FOLLOWING')
  if (name === 'Window' && isByRows)
    return open(`${called} over ROWS depends on an order that may be left open`)
  if (ofSet.test(called)) return called === 'min' || called === 'max' ? given : hardened(given)
  if (!sums.test(called))
    return open(`${called || 'a function'} may depend on an order of rows that is left open`)
  // Parts of a sum of decimals are bytes.
  if (/\bdouble\b/.test(type)) return worst([given, rounding(called)])
  return /\breal\b/.test(type)
    ? open(`${called} of REAL rounds by the order of the rows`, 'cast it to DECIMAL')
    : hardened(given)
}

/** What of the symbols that a text names is not exact. */
function symbolsOf(text: string, found: ReadonlyMap<string, Finding>): Finding[] {
  const words = text.replace(/'(?:[^']|'')*'/g, '').match(/[\w$#@]+/g) ?? []
  return words.flatMap((word) => found.get(word) ?? [])
}

function decided(text: string, found: ReadonlyMap<string, Finding>, name: string): Finding {
  const given = hardened(worst(symbolsOf(text, found)))
  return given.level === 'EXACT' ? exact : open(`what ${name} decides rests on it: ${given.note}`)
}

function hardened(finding: Finding): Finding {
  return finding.level === 'ROUNDING' ? open(`it rests on a value that rounds: ${finding.note}`) : finding
}
