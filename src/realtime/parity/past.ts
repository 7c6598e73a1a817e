// The proof of the past: what a training set holds for entities at moments before now, held against what a lookup would have answered then.

import { randomInt } from 'node:crypto'
import type { Background } from '../../concurrency/background.ts'
import { AppError } from '../../errors.ts'
import type { Promises } from '../../features/promised.ts'
import { featuresOf, type ResolvedReference } from '../../features/references.ts'
import type { View, Views } from '../../features/views.ts'
import { formatMicros } from '../../values/calendar.ts'
import { type Column, createRowEncoder, type Frame } from '../../values/columns.ts'
import { microsOfMs } from '../../values/moment.ts'
import type { Compute } from '../compute.ts'
import type { Lookup } from '../lookup.ts'
import { rowsAt } from '../timeline.ts'
import type { Differences } from './findings.ts'
import { compareRows } from './row-comparison.ts'

/** What a training set holds for entities at one moment: their features alone, a row for each. */
export type FeaturesAsOf = (request: {
  references: readonly ResolvedReference[]
  entities: Frame
  /** In microseconds UTC. */
  moment: bigint
  signal: AbortSignal
}) => Promise<Frame>

/** A row's features as JSON; none where there is no row, from which one of nulls alone cannot be told in a training set. */
interface BothSides {
  training: readonly string[]
  served: readonly string[]
}

/** So many values at each moment, and so many moments: each is a training set of its own. */
const valuesAtOnce = 20
const momentsAtOnce = 2
const steadyLooks = 3
const pauseMs = 200

export interface Past {
  /** Moments just before and just after events of these values; nothing of a view that is not in time, or of which no training set can be made. */
  lookBack(view: View, texts: readonly string[], signal: AbortSignal): Promise<Differences>
}

export function createPast(options: {
  compute: Compute
  lookup: Pick<Lookup, 'lookUpIn'>
  featuresAsOf: FeaturesAsOf
  views: Pick<Views, 'columnsOf'>
  promisedBy: Promises['ofKey']
  background: Pick<Background, 'pause'>
}): Past {
  const { compute, lookup, featuresAsOf, views, promisedBy, background } = options

  async function featuresIn(view: View): Promise<readonly Column[]> {
    const columns = (await views.columnsOf(view)) ?? []
    const hasKey = view.key.names.every((name) => columns.some((column) => column.name === name))
    return hasKey ? featuresOf(view, columns) : []
  }

  async function look(
    { view, features, atMs }: { view: View; features: readonly Column[]; atMs: number },
    texts: readonly string[],
    signal: AbortSignal,
  ): Promise<(readonly [text: string, sides: BothSides])[]> {
    const keys = new Map(texts.map((text) => [text, view.key.parse(text).values]))
    const moment = microsOfMs(atMs)
    const { outcomes } = await compute.byKey(view, keys, signal, atMs)
    const trained = await featuresAsOf({
      references: [referenceTo(view, features)],
      entities: { columns: view.key.columns, rows: [...keys.values()] },
      moment,
      signal,
    })
    const encode = createRowEncoder(trained.columns)
    return texts.flatMap((text, i) => {
      const [outcome, row] = [outcomes.get(text), trained.rows[i]]
      if (row === undefined || outcome === undefined)
        throw new AppError('INTERNAL', 'A training set has not a row for each entity.')
      // A value that is too large, or whose ETL fails, is told by what is served now.
      if (!outcome.ok) return []
      const served = rowsAt(view.record, outcome.rows)(moment)
      return [[text, { training: told([encode(row)], features), served: told(served, features) }] as const]
    })
  }

  return {
    async lookBack(view, texts, signal) {
      const features = view.record.timestampColumn === null ? [] : await featuresIn(view)
      const sampled = texts.slice(0, valuesAtOnce)
      if (features.length === 0 || sampled.length === 0) return []
      const promised = await promisedBy(view)
      const results = await lookup.lookUpIn(view, sampled)
      const events = results.flatMap((each) => (each instanceof AppError ? [] : (each.eventTime ?? [])))
      const found: Differences[number][] = []
      for (const atMs of momentsAbout(events)) {
        let suspects: readonly string[] = sampled
        let differing: Differences[number][] = []
        // A difference counts when it stays: rows that are written meanwhile make passing ones.
        for (let looks = 0; looks < steadyLooks && suspects.length > 0; looks++) {
          if (looks > 0) await background.pause(pauseMs)
          const sides = await look({ view, features, atMs }, suspects, signal)
          differing = sides.flatMap(([text, { training, served }]) => {
            const kind = compareRows(training, served, promised)
            return kind === 'SAME' ? [] : [[text, { kind, training, served, asOf: describeMoment(atMs) }]]
          })
          suspects = differing.map(([text]) => text)
        }
        found.push(...differing)
      }
      return found
    },
  }
}

/** Just after an event, and just before another. */
function momentsAbout(eventTimes: readonly bigint[]): readonly number[] {
  const events = [...eventTimes]
  const chosen = Array.from({ length: Math.min(momentsAtOnce, events.length) }, () =>
    events.splice(randomInt(events.length), 1),
  ).flat()
  return chosen.map((micros, i) => Math.min(Number(micros / 1000n) + (i % 2 === 0 ? 1 : -1), Date.now()))
}

function describeMoment(atMs: number): string {
  return formatMicros(microsOfMs(atMs))
}

function referenceTo(view: View, features: readonly Column[]): ResolvedReference {
  return {
    view,
    prefix: null,
    keys: view.key.columns.map((key) => ({ key, column: key.name })),
    features: features.map((column) => ({ column, name: column.name })),
  }
}

/** The features alone, in their order. */
function told(rows: readonly string[], features: readonly Column[]): string[] {
  return rows.flatMap((text) => {
    const row = JSON.parse(text) as Record<string, unknown>
    const cells = features.map(({ name }) => [name, row[name] ?? null] as const)
    return cells.every(([, cell]) => cell === null) ? [] : [JSON.stringify(Object.fromEntries(cells))]
  })
}
