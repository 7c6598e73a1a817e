// The lookup: index values in, rows out; one read of the online store for all that is asked at once.

import type { Logger } from 'pino'
import type { Value } from '../columns.ts'
import { AppError } from '../errors.ts'
import type { ReadAnswer } from '../online/port.ts'
import type { Background } from './background.ts'
import { noRows, type Outcome, servable } from './entry.ts'
import { canonicalText, parseIndexValue } from './index-value.ts'
import { type OnlineAccess, retiredFloor } from './online-access.ts'
import type { Answer, ReadThrough } from './read-through.ts'
import type { LookupAnswers, LookupTarget, RealtimeResult, RealtimeSource } from './result.ts'
import type { View, Views } from './views.ts'

export interface LookupRequest {
  target: LookupTarget
  indexValues: readonly string[]
}

/** A result for each of a request's values, or the error that concerns it whole. */
type Answered = LookupAnswers | AppError

export interface Lookup {
  /** Answers each request, in order; one that has to wait for the warehouse or the catalog is a promise, and keeps no other waiting. */
  lookUp(requests: readonly LookupRequest[]): Promise<readonly (Answered | Promise<Answered>)[]>
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
  function serve(prepared: readonly Prepared[], answers: readonly ReadAnswer[] | null) {
    const nowMs = Date.now()
    const missing = new Map<string, Wanted>()
    const stale = new Map<string, Wanted>()
    const found = prepared.map(({ view, keys, indexValues }, i) => {
      const { floor: told, entries } = answers?.[i] ?? { floor: 0, entries: [] }
      if (told === retiredFloor) views.noteRemoved(view.id)
      // What a removed view would give is computed just as well; the next lookup finds the view in its place.
      const floor = told === retiredFloor ? 0 : told
      let position = 0
      return keys.map((key, k): RealtimeResult | AppError | Key => {
        if (key instanceof AppError) return key
        const entry = entries[position++] ?? null
        const outcome = servable(entry, told, nowMs)
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

    const computed = new Map(
      [...missing.values()].map(({ view, floor, keys }) => [view.id, readThrough.get(view, keys, floor)]),
    )
    return found.map((results, i) => {
      const request = prepared[i]
      if (request === undefined || !results.some(isKey)) return results as LookupAnswers
      return fillIn(request, results, computed.get(request.view.id), nowMs)
    })
  }

  async function fillIn(
    { view, indexValues }: Prepared,
    results: readonly (RealtimeResult | AppError | Key)[],
    computing: Promise<ReadonlyMap<string, Answer | AppError>> | undefined,
    nowMs: number,
  ): Promise<LookupAnswers> {
    const computed = await computing
    return results.map((result, k) => {
      if (!isKey(result)) return result
      const answer = computed?.get(result.text)
      if (answer === undefined) {
        return new AppError('INTERNAL', 'The index value was neither online nor computed.')
      }
      if (answer instanceof AppError) return answer
      const { outcome, computedAtMs } = answer
      return toResult(view, indexValues[k] ?? '', outcome, computedAtMs, 'WAREHOUSE', nowMs)
    })
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

  async function readAndServe(prepared: readonly Prepared[]) {
    if (prepared.length === 0) return []
    const wanted = prepared.map(({ view, keys }) => ({
      view: view.id,
      values: keys.flatMap((key) => (key instanceof AppError ? [] : [key.text])),
    }))
    return serve(prepared, await store.read(wanted))
  }

  /** Requests whose views are known. */
  async function serveAll(prepared: readonly (Prepared | AppError)[]) {
    const served = await readAndServe(prepared.filter(isPrepared))
    let next = 0
    return prepared.map((request) => (request instanceof AppError ? request : (served[next++] ?? [])))
  }

  return {
    async lookUp(requests) {
      const preparing = requests.map(prepare)
      if (!preparing.some(isLate)) return serveAll(preparing as (Prepared | AppError)[])
      // Views that the catalog is asked for wait for one another, so that an operation's failures keep their order.
      const late = Promise.all(preparing.filter(isLate)).then(serveAll)
      const served = await serveAll(
        preparing.filter((request): request is Prepared | AppError => !isLate(request)),
      )
      let [next, nextLate] = [0, 0]
      return preparing.map((request) => {
        if (!isLate(request)) return served[next++] ?? []
        const position = nextLate++
        return late.then((answers) => answers[position] ?? [])
      })
    },
    async lookUpIn(view, indexValues) {
      const [results] = await readAndServe([parse(view, indexValues)])
      return (await results) ?? []
    },
  }
}

function isLate<T>(request: T | Promise<T>): request is Promise<T> {
  return request instanceof Promise
}

function isPrepared(request: Prepared | AppError): request is Prepared {
  return !(request instanceof AppError)
}

/** A value that was not online. */
function isKey(result: RealtimeResult | AppError | Key): result is Key {
  return 'text' in result
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
