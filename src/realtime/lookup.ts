// The lookup: index values in, rows out; one read of the online store for all that is asked at once.

import type { Span } from '@opentelemetry/api'
import type { Logger } from 'pino'
import type { Background } from '../concurrency/background.ts'
import { AppError } from '../errors.ts'
import type { LookupTarget } from '../features/target.ts'
import type { View, Views } from '../features/views.ts'
import type { ReadAnswer, ReadRequest } from '../online/port.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { sharedStep } from '../telemetry/spans.ts'
import { type ByteText, toByteText } from '../values/byte-text.ts'
import type { KeyType, KeyValues } from '../values/entity-key.ts'
import { noRows, servable } from './entry.ts'
import type { LookedUp } from './looked-up.ts'
import { type OnlineAccess, retiredWatermark } from './online-access.ts'
import type { Answer, ReadThrough } from './read-through.ts'
import {
  failedResult,
  type LookupAnswers,
  type RealtimeResult,
  type RealtimeSource,
  timeless,
} from './result.ts'
import { pickAt } from './timeline.ts'

export type LookupRequest = {
  indexValues: readonly string[]
  /** Of whoever asks, where that is traced. */
  span: Span | undefined
} & (
  | {
      target: LookupTarget
      /** Whether a view that is not there yet is made for whoever asks. */
      mayMake: boolean
    }
  | {
      /** Which is at hand; the index values are in their canonical text then. */
      view: View
    }
)

/** A result for each of a request's values, or the error that concerns it whole. */
type Answered = LookupAnswers | AppError

export interface Lookup {
  /** Answers each request, in order; one that has to wait for the warehouse or the catalog is a promise, and keeps no other waiting. */
  lookUp(requests: readonly LookupRequest[]): Promise<readonly (Answered | Promise<Answered>)[]>
  /** The same for a view that is at hand. */
  lookUpIn(view: View, indexValues: readonly string[]): Promise<LookupAnswers>
}

/** A request whose view is known and whose values are parsed. */
interface Prepared {
  view: View
  /** As the caller wrote them. */
  indexValues: readonly string[]
  /** Their canonical texts. */
  keys: readonly (string | AppError)[]
}

/** A value that was not online. */
class Missing {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** The values of one view that must be computed. */
interface Wanted {
  view: View
  watermark: number
  keys: Map<string, KeyValues>
}

export function createLookup(options: {
  views: Views
  store: OnlineAccess
  readThrough: ReadThrough
  lookedUp: Pick<LookedUp, 'note'>
  background: Background
  maxIndexValues: number
  metrics: Metrics
  log: Logger
}): Lookup {
  const { views, store, readThrough, lookedUp, background, maxIndexValues, log } = options
  const { countsOf } = options.metrics
  const count = createCounting(options.metrics.lookups)

  /** At once for a view that is known. */
  function prepare(request: LookupRequest): Prepared | AppError | Promise<Prepared | AppError> {
    const { indexValues } = request
    if (indexValues.length > maxIndexValues) {
      return new AppError(
        'TOO_LARGE',
        `${indexValues.length} index values were asked for at once; at most ${maxIndexValues} are answered (MAX_INDEX_VALUES).`,
      )
    }
    if ('view' in request) return { view: request.view, indexValues, keys: indexValues }
    const { target, mayMake } = request
    const view = views.cached(target)
    if (view !== undefined) return parse(view, indexValues)
    return views.resolve(target, mayMake).then((resolved) => parse(resolved, indexValues), toAppError)
  }

  function toAppError(error: unknown): AppError {
    if (error instanceof AppError) return error
    log.error({ err: error }, 'A lookup failed')
    return new AppError('INTERNAL', 'The lookup failed for a reason that the log tells.', { cause: error })
  }

  /** What is online and current is served from there; the rest is gathered by view and read through. */
  function serve(prepared: readonly Prepared[], online: ReadonlyMap<string, Online>) {
    const nowMs = Date.now()
    const missing = new Map<string, Wanted>()
    const behind = new Map<string, Wanted>()
    const found: (readonly (RealtimeResult | AppError | Missing)[])[] = []
    for (const { view, keys, indexValues } of prepared) {
      const part = online.get(view.id)
      const told = part?.watermark ?? 0
      if (told === retiredWatermark) views.noteRemoved(view.id)
      // What a removed view would give is computed just as well; the next lookup finds the view in its place.
      const watermark = told === retiredWatermark ? 0 : told
      const results: (RealtimeResult | AppError | Missing)[] = []
      let served = 0
      for (let k = 0; k < keys.length; k++) {
        const key = keys[k]
        const indexValue = indexValues[k] ?? ''
        if (typeof key !== 'string') {
          if (key !== undefined) results.push(failedResult({ indexKey: view.key.text, indexValue }, key))
          continue
        }
        const entry = part?.next() ?? null
        const rows = servable(entry, leastServed(view, told), nowMs)
        const stale = entry !== null && (entry.version < told || isStale(view, entry.computedAtMs, nowMs))
        const result =
          entry === null || rows === null
            ? null
            : toResult(view, indexValue, rows, { ...entry, source: 'ONLINE', stale, nowMs })
        if (result === null) {
          gather(missing, view, watermark, key, indexValue)
          results.push(new Missing(key))
          continue
        }
        if (stale) gather(behind, view, watermark, key, indexValue)
        results.push(result)
        served++
      }
      countsOf(view).online.value += served
      found.push(results)
    }
    if (behind.size > 0) refreshStale(behind)
    if (missing.size === 0) {
      for (const results of found) count.answered(results as LookupAnswers)
      return found as readonly LookupAnswers[]
    }

    for (const { view, keys } of missing.values()) countsOf(view).computed.value += keys.size
    const computed = new Map(
      [...missing.values()].map(({ view, watermark, keys }) => [
        view.id,
        readThrough.get(view, keys, watermark),
      ]),
    )
    return found.map((results, i) => {
      const request = prepared[i]
      if (request === undefined || !results.some(isMissing)) return count.answered(results as LookupAnswers)
      return fillIn(request, results, computed.get(request.view.id), nowMs).then(count.answered)
    })
  }

  async function fillIn(
    { view, indexValues }: Prepared,
    results: readonly (RealtimeResult | AppError | Missing)[],
    computing: Promise<ReadonlyMap<string, Answer | AppError>> | undefined,
    nowMs: number,
  ): Promise<LookupAnswers> {
    const computed = await computing
    return results.map((result, k) => {
      if (!isMissing(result)) return result
      const answer = computed?.get(result.text)
      if (answer === undefined) {
        return new AppError('INTERNAL', 'The index value was neither online nor computed.')
      }
      if (answer instanceof AppError) return answer
      const { outcome, computedAtMs } = answer
      const rows = outcome.ok ? toByteText(outcome.rows) : outcome.error
      const from = { source: 'WAREHOUSE', computedAtMs, stale: isStale(view, computedAtMs, nowMs) } as const
      const indexValue = indexValues[k] ?? ''
      return (
        toResult(view, indexValue, rows, { ...from, nowMs }) ??
        // What is later than it tells has come while it was waited for.
        toResult(view, indexValue, rows, { ...from, nowMs: computedAtMs }) ??
        new AppError('INTERNAL', 'The computed answer does not tell its own moment.')
      )
    })
  }

  /** Old rows are served as they are and computed again, once, for whoever comes next. */
  function refreshStale(stale: ReadonlyMap<string, Wanted>) {
    for (const { view, keys, watermark } of stale.values()) {
      if (view.record.refresh === 'MANUAL') continue
      background.run(`Refreshing stale index values of the feature view ${view.record.name}`, async () => {
        await readThrough.get(view, keys, watermark)
      })
    }
  }

  async function readAndServe(prepared: readonly Prepared[]) {
    if (prepared.length === 0) return []
    const wanted = wantedOf(prepared)
    return serve(prepared, onlineOf(wanted, await store.read(wanted)))
  }

  /** Requests whose views are known. */
  async function serveAll(prepared: readonly (Prepared | AppError)[]) {
    const known = prepared.filter(isPrepared)
    for (const { view } of known) lookedUp.note(view.id)
    const served = await readAndServe(known)
    let next = 0
    return prepared.map((request) => (request instanceof AppError ? request : (served[next++] ?? [])))
  }

  async function lookUp(requests: readonly LookupRequest[]) {
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
  }

  return {
    lookUp(requests) {
      const values = count.asked(requests)
      const attributes = { 'gateway.requests': requests.length, 'gateway.values': values }
      return sharedStep('lookup batch', requests, { attributes }, () => lookUp(requests))
    },
    async lookUpIn(view, indexValues) {
      const [results] = await readAndServe([parse(view, indexValues)])
      return (await results) ?? []
    },
  }
}

/** Adds to numbers that are at hand: nothing is looked up or made for a value. */
function createCounting({ answered, failed, batchRequests, batchValues }: Metrics['lookups']) {
  const ofSource = (source: RealtimeSource) => ({
    FRESH: answered('FRESH', source),
    STALE: answered('STALE', source),
    NOT_FOUND: answered('NOT_FOUND', source),
    EXPIRED: answered('EXPIRED', source),
  })
  const counts = { ONLINE: ofSource('ONLINE'), WAREHOUSE: ofSource('WAREHOUSE') }
  return {
    answered(results: LookupAnswers): LookupAnswers {
      for (const result of results) {
        if (result instanceof AppError) failed(result.code).value += 1
        else if (result.status === 'FAILED') failed(result.error.code).value += 1
        else counts[result.source][result.status].value += 1
      }
      return results
    },
    /** How many values the requests ask for. */
    asked(requests: readonly LookupRequest[]): number {
      let values = 0
      for (const { indexValues } of requests) values += indexValues.length
      batchRequests.observe(requests.length)
      batchValues.observe(values)
      return values
    },
  }
}

/** What the store gave for a view's values, one after the other. */
class Online {
  readonly watermark: number
  private readonly entries: ReadAnswer['entries']
  private at = 0

  constructor({ watermark, entries }: ReadAnswer) {
    this.watermark = watermark
    this.entries = entries
  }

  next() {
    return this.entries[this.at++] ?? null
  }
}

/** One request of the store for each view, its values in the callers' order. */
function wantedOf(prepared: readonly Prepared[]): ReadRequest[] {
  const byView = new Map<string, { view: string; values: string[] }>()
  for (const { view, keys } of prepared) {
    const wanted = byView.get(view.id) ?? { view: view.id, values: [] }
    byView.set(view.id, wanted)
    for (const key of keys) if (typeof key === 'string') wanted.values.push(key)
  }
  return [...byView.values()]
}

function onlineOf(wanted: readonly ReadRequest[], answers: readonly ReadAnswer[] | null) {
  const byView = new Map<string, Online>()
  for (const [i, answer] of answers?.entries() ?? []) byView.set(wanted[i]?.view ?? '', new Online(answer))
  return byView
}

function isLate<T>(request: T | Promise<T>): request is Promise<T> {
  return request instanceof Promise
}

function isPrepared(request: Prepared | AppError): request is Prepared {
  return !(request instanceof AppError)
}

function isMissing(result: RealtimeResult | AppError | Missing): result is Missing {
  return result instanceof Missing
}

function parse(view: View, indexValues: readonly string[]): Prepared {
  const { key } = view
  const keys = indexValues.every(key.isCanonical)
    ? indexValues
    : indexValues.map((text) => canonicalOrError(key, text))
  return { view, indexValues, keys }
}

function canonicalOrError(key: KeyType, text: string): string | AppError {
  try {
    return key.parse(text).text
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

function gather(
  perView: Map<string, Wanted>,
  view: View,
  watermark: number,
  key: string,
  indexValue: string,
) {
  const known = perView.get(view.id) ?? { view, watermark, keys: new Map<string, KeyValues>() }
  known.keys.set(key, view.key.parse(indexValue).values)
  perView.set(view.id, known)
}

/** What is refreshed by hand is served on when it is behind its tables, as long as the view is there. */
function leastServed({ record }: View, watermark: number): number {
  return record.refresh === 'MANUAL' && watermark !== retiredWatermark ? 0 : watermark
}

function isStale(view: View, computedAtMs: number, nowMs: number): boolean {
  const { ttlSeconds } = view.record
  return ttlSeconds !== null && nowMs - computedAtMs > ttlSeconds * 1000
}

interface From {
  source: RealtimeSource
  computedAtMs: number
  stale: boolean
  nowMs: number
}

/** Null where the rows of a view in time no longer tell which of them is served. */
function toResult(
  view: View,
  indexValue: string,
  rows: ByteText | AppError,
  { source, computedAtMs, stale, nowMs }: From,
): RealtimeResult | null {
  const { text: indexKey } = view.key
  const looked = { indexKey, indexValue, source }
  if (rows instanceof AppError) return failedResult(looked, rows, { source, asOfMs: computedAtMs })
  const fresh = stale ? 'STALE' : 'FRESH'
  if (view.record.timestampColumn === null) {
    const status = rows === noRows ? 'NOT_FOUND' : fresh
    return { ...looked, status, rows, asOfMs: computedAtMs, ...timeless, error: null }
  }
  // Nothing that had come when it was computed goes again, whatever this clock says.
  const asOfMs = Math.max(nowMs, computedAtMs)
  const picked = pickAt(rows, view.record, BigInt(asOfMs) * 1000n)
  if (picked === null) return null
  const status = picked.status === 'FOUND' ? fresh : picked.status
  return { ...looked, ...picked, status, asOfMs, error: null }
}
