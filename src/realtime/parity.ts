// The proof: what training gives for sampled index values, held against what a lookup serves.

import { toText } from '../byte-text.ts'
import { AppError } from '../errors.ts'
import type { OnlineStore } from '../online/port.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Warehouse } from '../warehouse/port.ts'
import type { Background } from './background.ts'
import type { Compute } from './compute.ts'
import type { Outcome } from './entry.ts'
import { parseIndexValue } from './index-value.ts'
import type { Lookup } from './lookup.ts'
import type { RowsByValue, TrainingRows } from './training-rows.ts'
import type { View } from './views.ts'

export interface ParityReport {
  sampled: number
  /** Values whose rows differ. */
  mismatched: number
  /** Values that training has rows for and realtime has none. */
  missing: number
  /** Values that realtime has rows for and training has none. */
  extra: number
  /** At most ten of the values at fault, with the rows of both sides. */
  examples: unknown[]
}

/** A difference counts when it stays through these waits: a publish that goes on meanwhile makes passing ones. */
const waitsMs = [50, 100, 200, 400, 800, 1600] as const
/** So many looks at one unmoved version of the warehouse settle it earlier. */
const steadyLooks = 3
const maxExamples = 10
export const maxSample = 100_000

/** Training's side: the rows of the wanted values and of up to `others` further ones. */
type Reference = (wanted: ReadonlySet<string>, others: number) => Promise<RowsByValue>

interface Difference {
  training: readonly string[]
  served: readonly string[] | AppError
}

export interface Parity {
  /** Against the whole statement, and the whole ETL, as training runs them. */
  report(view: View, sample: number): Promise<ParityReport>
  /** Against the same statement asked for the sampled values only: cheap enough to run after publishes. */
  check(view: View, sample: number): Promise<ParityReport>
  /** Whether a lookup of this value serves just what computing it anew gives. */
  isCurrent(view: View, indexValue: string): Promise<boolean>
}

export function createParity(options: {
  warehouse: Warehouse
  online: OnlineStore
  lookup: Lookup
  compute: Compute
  trainingRows: TrainingRows
  /** Resolves when the appends that are being followed are through. */
  settled: () => Promise<void>
  background: Background
  metrics: Metrics
}): Parity {
  const { warehouse, online, lookup, compute, trainingRows, settled, background, metrics } = options

  async function serve(view: View, texts: readonly string[]) {
    const results = await lookup.lookUpIn(view, texts)
    return new Map(
      texts.map((text, i) => {
        const result = results[i]
        if (result === undefined)
          throw new AppError('INTERNAL', 'A lookup gave fewer results than it was asked for.')
        return [
          text,
          result instanceof AppError ? result : normalised(JSON.parse(toText(result.rows)) as unknown[]),
        ] as const
      }),
    )
  }

  async function compare(view: View, texts: readonly string[], training: RowsByValue) {
    const served = await serve(view, texts)
    const differences = new Map<string, Difference>()
    for (const text of texts) {
      const expected = normalised((training.get(text) ?? []).map((row) => JSON.parse(row) as unknown))
      const found = served.get(text) ?? []
      if (!equal(expected, found instanceof AppError ? [failureRow(found)] : found)) {
        differences.set(text, { training: expected, served: found })
      }
    }
    return differences
  }

  function count(report: ParityReport): ParityReport {
    metrics.work.parityValues.value += report.sampled
    for (const kind of ['mismatched', 'missing', 'extra'] as const) {
      metrics.work.parityFaults[kind].value += report[kind]
    }
    return report
  }

  async function run(view: View, sample: number, reference: Reference): Promise<ParityReport> {
    const fromOnline = await online.sample(view.id, Math.ceil(sample / 2))
    const first = await reference(new Set(fromOnline), sample)
    const texts = [...new Set([...fromOnline, ...first.keys()])].slice(0, sample)
    let differences = await compare(view, texts, first)
    let steady = 0
    for (const waitMs of waitsMs) {
      if (differences.size === 0 || steady >= steadyLooks || background.signal.aborted) break
      await background.pause(waitMs)
      await settled()
      const before = await warehouse.version()
      const suspects = [...differences.keys()]
      differences = await compare(view, suspects, await reference(new Set(suspects), 0))
      steady = (await warehouse.version()) === before ? steady + 1 : 0
    }
    return count(toReport(texts.length, differences))
  }

  async function computeAnew(view: View, texts: Iterable<string>): Promise<Map<string, readonly string[]>> {
    const keys = new Map([...texts].map((text) => [text, parseIndexValue(view.keyColumn, text)]))
    if (keys.size === 0) return new Map()
    const { outcomes } = await compute.byKey(view, keys, background.signal)
    return new Map([...outcomes].map(([text, outcome]) => [text, rowsOf(outcome)]))
  }

  return {
    report(view, sample) {
      if (!Number.isInteger(sample) || sample < 1 || sample > maxSample) {
        throw new AppError(
          'BAD_USER_INPUT',
          `sample is ${sample}; it must be a whole number from 1 to ${maxSample}.`,
        )
      }
      return run(view, sample, (wanted, others) =>
        trainingRows.collect(view, wanted, others, background.signal),
      )
    },
    check: (view, sample) => run(view, sample * 2, (wanted) => computeAnew(view, wanted)),
    async isCurrent(view, indexValue) {
      const anew = await computeAnew(view, [indexValue])
      return (await compare(view, [indexValue], anew)).size === 0
    },
  }
}

function rowsOf(outcome: Outcome): string[] {
  if (!outcome.ok) return [failureRow(outcome.error)]
  return (JSON.parse(outcome.rows) as unknown[]).map((row) => JSON.stringify(row))
}

/** Stands for a failed value's rows, so that the same failure on both sides is no difference. */
function failureRow({ code }: AppError): string {
  return JSON.stringify({ code })
}

/** A multiset of rows: each as JSON text, in order. */
function normalised(rows: readonly unknown[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row)).sort()
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((row, i) => row === b[i])
}

function toReport(sampled: number, differences: ReadonlyMap<string, Difference>): ParityReport {
  const report: ParityReport = { sampled, mismatched: 0, missing: 0, extra: 0, examples: [] }
  for (const [value, { training, served }] of differences) {
    const failed = served instanceof AppError
    if (!failed && served.length === 0) report.missing++
    else if (!failed && training.length === 0) report.extra++
    else report.mismatched++
    if (report.examples.length >= maxExamples) continue
    report.examples.push({
      value,
      training: training.map((row) => JSON.parse(row) as unknown),
      online: failed
        ? { code: served.code, message: served.message }
        : served.map((row) => JSON.parse(row) as unknown),
    })
  }
  return report
}
