// The lookup: index values in, rows out; one read of the online store for all that is asked at once.

import type { Logger } from 'pino'
import type { Value } from '../columns.ts'
import { AppError } from '../errors.ts'
import type { ReadAnswer } from '../online/port.ts'
import type { Background } from './background.ts'
import { noRows, type Outcome, servable } from './entry.ts'
import { canonicalText, parseIndexValue } from './index-value.ts'
import type { OnlineAccess } from './online-access.ts'
import type { Answer, ReadThrough } from './read-through.ts'
import type { LookupAnswers, LookupTarget, RealtimeResult, RealtimeSource } from './result.ts'
import type { View, Views } from './views.ts'

export interface LookupRequest {
  target: LookupTarget
  indexValues: readonly string[]
}

export interface Lookup {
  /** Answers each request with a result for each of its values, or with the error that concerns it whole. */
  lookUp(requests: readonly LookupRequest[]): Promise<readonly (LookupAnswers | AppError)[]>
  /** The same for a view that is at hand. */
  lookUpIn(view: View, indexValues: readonly string[]): Promise<LookupAnswers>
}

interface Key {
  value: Value
  text: string
}

/** A request whose view is known and whose values are parsed. */
interface Prepared {
  view: View
  keys: readonly (Key | AppError)[]
  indexValues: readonly string[]
}

/** The values of one view that must be computed. */
interface Wanted {
  view: View
  floor: number
  keys: Map<string, Value>
}

export function createLookup(options: {
  views: Views
  store: OnlineAccess
  readThrough: ReadThrough
  background: Background
  maxIndexValues: number
  log: Logger
}): Lookup {
  const { views, store, readThrough, background, maxIndexValues, log } = options

  /** At once for a view that is known. */
  function prepare({
    target,
    indexValues,
  }: LookupRequest): Prepared | AppError | Promise<Prepared | AppError> {
    if (indexValues.length > maxIndexValues) {
      return new AppError(
        'TOO_LARGE',
        `${indexValues.length} index values were asked for at once; at most ${maxIndexValues} are answered (MAX_INDEX_VALUES).`,
      )
    }
    const view = views.cached(target)
    if (view !== undefined) return parse(view, indexValues)
    return views.resolve(target).then((resolved) => parse(resolved, indexValues), toAppError)
  }

  function toAppError(error: unknown): AppError {
    if (error instanceof AppError) return error
    log.error({ err: error }, 'A lookup failed')
    return new AppError('INTERNAL', 'The lookup failed for a reason that the log tells.', { cause: error })
  }

  /** What is online and current is served from there; the rest is gathered by view and read through. */
  async function serve(prepared: readonly Prepared[], answers: readonly ReadAnswer[] | null) {
    const nowMs = Date.now()
    const missing = new Map<string, Wanted>()
    const stale = new Map<string, Wanted>()
    const found = prepared.map(({ view, keys, indexValues }, i) => {
      const { floor, entries } = answers?.[i] ?? { floor: 0, entries: [] }
      let position = 0
      return keys.map((key, k): RealtimeResult | AppError | Key => {
        if (key instanceof AppError) return key
        const entry = entries[position++] ?? null
        const outcome = servable(entry, floor, nowMs)
        if (entry === null || outcome === null) {
          gather(missing, view, floor, key)
          return key
        }
        if (isStale(view, entry.computedAtMs, nowMs)) gather(stale, view, floor, key)
        return toResult(view, indexValues[k] ?? '', outcome, entry.computedAtMs, 'ONLINE', nowMs)
      })
    })
    refreshStale(stale)
    if (missing.size === 0) return found as LookupAnswers[]

    const computed = new Map<string, ReadonlyMap<string, Answer | AppError>>()
    const reads = [...missing.values()].map(async ({ view, floor, keys }) => {
      computed.set(view.id, await readThrough.get(view, keys, floor))
    })
    await Promise.all(reads)
    return found.map((results, i) =>
      results.map((result, k) => {
        const request = prepared[i]
        if (!('text' in result) || request === undefined) return result as RealtimeResult | AppError
        const answer = computed.get(request.view.id)?.get(result.text)
        if (answer === undefined)
          return new AppError('INTERNAL', 'The index value was neither online nor computed.')
        if (answer instanceof AppError) return answer
        const { outcome, computedAtMs } = answer
        return toResult(request.view, request.indexValues[k] ?? '', outcome, computedAtMs, 'WAREHOUSE', nowMs)
      }),
    )
  }

  /** Old rows are served as they are and computed again, once, for whoever comes next. */
  function refreshStale(stale: ReadonlyMap<string, Wanted>) {
    for (const { view, keys, floor } of stale.values()) {
      if (view.record.refresh === 'MANUAL') continue
      background.run(`Refreshing stale index values of the feature view ${view.record.name}`, async () => {
        await readThrough.get(view, keys, floor)
      })
    }
  }

  async function readAndServe(prepared: readonly Prepared[]): Promise<LookupAnswers[]> {
    if (prepared.length === 0) return []
    const wanted = prepared.map(({ view, keys }) => ({
      view: view.id,
      values: keys.flatMap((key) => (key instanceof AppError ? [] : [key.text])),
    }))
    return serve(prepared, await store.read(wanted))
  }

  return {
    async lookUp(requests) {
      const preparing = requests.map(prepare)
      const waits = preparing.some((request) => request instanceof Promise)
      const prepared = waits ? await Promise.all(preparing) : (preparing as (Prepared | AppError)[])
      const results = await readAndServe(prepared.filter(isPrepared))
      let next = 0
      return prepared.map((request) => (request instanceof AppError ? request : (results[next++] ?? [])))
    },
    async lookUpIn(view, indexValues) {
      const [results] = await readAndServe([parse(view, indexValues)])
      return results ?? []
    },
  }
}

function isPrepared(request: Prepared | AppError): request is Prepared {
  return !(request instanceof AppError)
}

function parse(view: View, indexValues: readonly string[]): Prepared {
  return { view, indexValues, keys: indexValues.map((text) => parseKey(view, text)) }
}

function parseKey(view: View, text: string): Key | AppError {
  try {
    const value = parseIndexValue(view.keyColumn, text)
    return { value, text: canonicalText(view.keyColumn, value) }
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

function gather(perView: Map<string, Wanted>, view: View, floor: number, key: Key) {
  const known = perView.get(view.id)
  if (known === undefined) perView.set(view.id, { view, floor, keys: new Map([[key.text, key.value]]) })
  else known.keys.set(key.text, key.value)
}

function isStale(view: View, computedAtMs: number, nowMs: number): boolean {
  const { ttlSeconds } = view.record
  return ttlSeconds !== null && nowMs - computedAtMs > ttlSeconds * 1000
}

function toResult(
  view: View,
  indexValue: string,
  outcome: Outcome,
  computedAtMs: number,
  source: RealtimeSource,
  nowMs: number,
): RealtimeResult | AppError {
  if (!outcome.ok) return outcome.error
  const fresh = isStale(view, computedAtMs, nowMs) ? 'STALE' : 'FRESH'
  return {
    indexKey: view.record.indexKey,
    indexValue,
    status: outcome.rows === noRows ? 'NOT_FOUND' : fresh,
    source,
    rows: outcome.rows,
    asOfMs: computedAtMs,
  }
}
