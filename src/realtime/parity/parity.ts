// The proof: what training gives for sampled index values, held against what a lookup serves.

import type { Background } from '../../concurrency/background.ts'
import { AppError } from '../../errors.ts'
import type { Promises } from '../../features/promised.ts'
import type { View } from '../../features/views.ts'
import type { OnlineStore } from '../../online/port.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { toText } from '../../values/byte-text.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import type { Compute } from '../compute.ts'
import type { Outcome } from '../entry.ts'
import type { Lookup } from '../lookup.ts'
import { type RowsAt, rowsAt } from '../timeline.ts'
import { type Difference, type ParityFindings, toFindings, withPast } from './findings.ts'
import type { Past } from './past.ts'
import { compareRows } from './row-comparison.ts'
import type { RowsByValue, TrainingRows } from './training-rows.ts'

const unserved: Served = { found: [], moment: 0n }

/** A difference counts when it stays through these waits: a publish that goes on meanwhile makes passing ones. */
const waitsMs = [50, 100, 200, 400, 800, 1600] as const
/** So many looks at one unmoved version of the warehouse settle it earlier. */
const steadyLooks = 3
/** Of a query that calls as_of() each moment is a run of its own. */
const wholeRuns = 8
export const maxSample = 100_000

/** Training's side: the rows of the wanted values and of up to `others` further ones, from a moment on. */
type Reference = (wanted: ReadonlySet<string>, others: number, fromMs: number) => Promise<RowsByValue>

/** Taken before what is served is: each answer is held against training's as of its own moment. */
interface Taken {
  rows: RowsByValue
  fromMs: number
}

interface Served {
  found: readonly string[] | AppError
  /** In microseconds UTC. */
  moment: bigint
}

export interface ParityOptions {
  /** How many values beside those that are named. */
  sample: number
  /** Also of moments before now, where the view is in time. */
  past?: boolean
  signal?: AbortSignal
}

export interface Parity {
  /** Against the whole statement, and the whole ETL, as training runs them. */
  report(view: View, options: ParityOptions): Promise<ParityFindings>
  /** Against the same statement asked for these values, and a sample of others, only: cheap enough to run after publishes. */
  check(view: View, values: readonly string[], options: ParityOptions): Promise<ParityFindings>
  /** Whether a lookup of this value serves just what computing it anew gives. */
  isCurrent(view: View, indexValue: string): Promise<boolean>
}

export function createParity(options: {
  warehouse: Warehouse
  online: OnlineStore
  lookup: Lookup
  compute: Compute
  trainingRows: TrainingRows
  past: Pick<Past, 'lookBack'>
  promisedBy: Promises['ofKey']
  /** Resolves when the appends that are being followed are through. */
  settled: () => Promise<void>
  background: Background
  metrics: Metrics
}): Parity {
  const {
    warehouse,
    online,
    lookup,
    compute,
    trainingRows,
    past: history,
    promisedBy,
    settled,
    background,
    metrics,
  } = options

  async function serve(view: View, texts: readonly string[], { fromMs }: Pick<Taken, 'fromMs'>) {
    const results = await lookup.lookUpIn(view, texts)
    return new Map(
      texts.map((text, i) => {
        const result = results[i]
        if (result === undefined)
          throw new AppError('INTERNAL', 'A lookup gave fewer results than it was asked for.')
        const found = result instanceof AppError ? result : (result.error ?? textsOf(toText(result.rows)))
        const asOfMs = result instanceof AppError ? null : result.asOfMs
        return [text, { found, moment: BigInt(asOfMs ?? fromMs) * 1000n }] as const
      }),
    )
  }

  /** Of a query that calls as_of(), training as of the moments that the answers are of: the whole statement of few, of others by key. */
  async function ofTheirMoments(
    view: View,
    texts: readonly string[],
    { served, reference }: { served: ReadonlyMap<string, Served>; reference: Reference },
  ): Promise<RowsByValue> {
    const byMoment = Map.groupBy(texts, (text) => Number((served.get(text) ?? unserved).moment / 1000n))
    const rows = new Map<string, RowsAt>()
    let runs = 0
    for (const [atMs, own] of [...byMoment].sort(([, a], [, b]) => b.length - a.length)) {
      const asked = new Set(own)
      const found = await (runs++ < wholeRuns ? reference(asked, 0, atMs) : computeAnew(view, asked, atMs))
      for (const [text, at] of found) rows.set(text, at)
    }
    return rows
  }

  /**
   * Of each value, training's rows, then what is served, then training's rows again where the two differ: a value whose
   * rows changed between has moved, which says nothing.
   */
  async function look(view: View, texts: readonly string[], taken: Taken, reference: Reference) {
    const promised = await promisedBy(view)
    await settled()
    const served = await serve(view, texts, taken)
    const again = (asked: readonly string[]) =>
      view.query.asksForMoment
        ? ofTheirMoments(view, asked, { served, reference })
        : reference(new Set(asked), 0, taken.fromMs)
    const first = view.query.asksForMoment ? await again(texts) : taken.rows
    const servedOf = (text: string) => served.get(text) ?? unserved
    const expected = (rows: RowsByValue, text: string) => expectedOf(rows, text, servedOf(text).moment)
    const compare = (text: string, found: readonly string[] | AppError) =>
      compareRows(expected(first, text), found instanceof AppError ? [failureRow(found)] : found, promised)
    const suspects = texts.filter((text) => compare(text, servedOf(text).found) !== 'SAME')
    const moving = new Set<string>()
    const differences = new Map<string, Difference>()
    if (suspects.length === 0) return { differences, moving }
    const second = await again(suspects)
    for (const text of suspects) {
      const change = compare(text, expected(second, text))
      const { found } = servedOf(text)
      const kind = compare(text, found)
      if (change === 'DIFFERENT' || change === 'ROUNDED') moving.add(text)
      else if (kind !== 'SAME')
        differences.set(text, { kind, training: expected(first, text), served: found })
    }
    return { differences, moving }
  }

  function count(findings: ParityFindings): ParityFindings {
    const { report } = findings
    metrics.work.parityValues.value += report.sampled
    for (const kind of ['mismatched', 'missing', 'extra'] as const) {
      metrics.work.parityFaults[kind].value += report[kind]
    }
    return findings
  }

  async function run(
    view: View,
    texts: readonly string[],
    first: Taken,
    reference: Reference,
  ): Promise<ParityFindings> {
    let { differences, moving } = await look(view, texts, first, reference)
    const open = new Map<string, Difference>()
    let steady = 0
    for (const waitMs of waitsMs) {
      for (const [text, difference] of differences)
        if (difference.kind === 'UNDETERMINED') open.set(text, difference)
      const suspects = [...differences.keys(), ...moving].filter((text) => !open.has(text))
      if (suspects.length === 0 || steady >= steadyLooks || background.signal.aborted) break
      await background.pause(waitMs)
      const before = await warehouse.version()
      const again = await take(reference, new Set(suspects), 0)
      ;({ differences, moving } = await look(view, suspects, again, reference))
      steady = (await warehouse.version()) === before ? steady + 1 : 0
    }
    return toFindings(texts.length, [...new Map([...differences, ...open])])
  }

  const orClosing = (signal?: AbortSignal) =>
    signal === undefined ? background.signal : AbortSignal.any([signal, background.signal])

  async function computeAnew(
    view: View,
    texts: Iterable<string>,
    fromMs: number,
    signal = background.signal,
  ): Promise<RowsByValue> {
    const keys = new Map([...texts].map((text) => [text, view.key.parse(text).values]))
    if (keys.size === 0) return new Map()
    const { outcomes } = await compute.byKey(view, keys, signal, fromMs)
    return new Map([...outcomes].map(([text, outcome]) => [text, rowsOf(view, outcome)]))
  }

  return {
    async report(view, { sample, past = false, signal }) {
      if (!Number.isInteger(sample) || sample < 1 || sample > maxSample) {
        throw new AppError(
          'BAD_USER_INPUT',
          `sample is ${sample}; it must be a whole number from 1 to ${maxSample}.`,
        )
      }
      const stopped = orClosing(signal)
      const reference: Reference = (wanted, others, fromMs) =>
        trainingRows.collect(view, wanted, others, { fromMs, signal: stopped })
      const fromOnline = await online.sample(view.id, Math.ceil(sample / 2))
      const first = await take(reference, new Set(fromOnline), sample)
      const texts = [...new Set([...fromOnline, ...first.rows.keys()])].slice(0, sample)
      const findings = await run(view, texts, first, reference)
      return count(past ? withPast(findings, await history.lookBack(view, texts, stopped)) : findings)
    },
    async check(view, values, { sample, signal }) {
      const texts = [...new Set([...values, ...(await online.sample(view.id, sample))])]
      const stopped = orClosing(signal)
      const reference: Reference = (wanted, _, fromMs) => computeAnew(view, wanted, fromMs, stopped)
      return count(await run(view, texts, await take(reference, new Set(texts), 0), reference))
    },
    async isCurrent(view, indexValue) {
      const fromMs = Date.now()
      const { found, moment } = (await serve(view, [indexValue], { fromMs })).get(indexValue) ?? unserved
      const atMs = view.query.asksForMoment ? Number(moment / 1000n) : fromMs
      const anew = await computeAnew(view, [indexValue], atMs)
      const rows = found instanceof AppError ? [failureRow(found)] : found
      return compareRows(expectedOf(anew, indexValue, moment), rows, await promisedBy(view)) !== 'DIFFERENT'
    },
  }
}

async function take(reference: Reference, wanted: ReadonlySet<string>, others: number): Promise<Taken> {
  const fromMs = Date.now()
  return { fromMs, rows: await reference(wanted, others, fromMs) }
}

function expectedOf(rows: RowsByValue, text: string, moment: bigint): readonly string[] {
  return (rows.get(text)?.(moment) ?? []).map(reencoded)
}

/** A row's text as a client reads it. */
function reencoded(row: string): string {
  return JSON.stringify(JSON.parse(row))
}

function textsOf(rows: string): string[] {
  return (JSON.parse(rows) as unknown[]).map((row) => JSON.stringify(row))
}

function rowsOf({ record }: View, outcome: Outcome): RowsAt {
  if (outcome.ok) return rowsAt(record, outcome.rows)
  const failed = [failureRow(outcome.error)]
  return () => failed
}

/** Stands for a failed value's rows, so that the same failure on both sides is no difference. */
function failureRow({ code }: AppError): string {
  return JSON.stringify({ code })
}
