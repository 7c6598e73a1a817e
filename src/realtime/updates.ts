// A value's rows now, and again at every change, for as long as the client listens.

import { followState } from '../concurrency/follow.ts'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import { isPassing } from '../features/as-of-views.ts'
import type { LookupTarget } from '../features/target.ts'
import type { View, Views } from '../features/views.ts'
import { toText } from '../values/byte-text.ts'
import type { LookedUp } from './looked-up.ts'
import type { Lookup } from './lookup.ts'
import type { RealtimeResult } from './result.ts'

export type Updates = (
  target: LookupTarget,
  indexValue: string,
  mayMake: boolean,
) => AsyncIterable<RealtimeResult>

/** Who listens uses the view, though nothing changes. */
const usedEveryMs = 5 * 60_000
/** A longer wait is looked at again then: no timer takes more than 24 days. */
const longestWaitMs = 24 * 3_600_000

/**
 * It listens before it looks up, so that no change falls between the two. Changes that come faster than the client
 * takes them are one.
 */
export function createUpdates(options: {
  views: Views
  lookup: Lookup
  lookedUp: Pick<LookedUp, 'note'>
  events: Events
}): Updates {
  const { views, lookup, lookedUp, events } = options

  async function lookUpOne(view: View, indexValue: string): Promise<RealtimeResult> {
    lookedUp.note(view.id)
    const [result] = await lookup.lookUpIn(view, [indexValue])
    if (result === undefined) throw new AppError('INTERNAL', 'The lookup gave no result.')
    if (result instanceof AppError) throw result
    return result
  }

  return (target, indexValue, mayMake) => {
    let change = () => {}
    let timer: NodeJS.Timeout | undefined
    let viewId: string | undefined
    let endOnline = () => {}
    let endTime = () => {}

    /** Asked at each reading: the view may be another by then. */
    function listenTo(view: View) {
      if (view.id === viewId) return
      endOnline()
      endTime()
      viewId = view.id
      endTime = followTime(view, () => change())
      const text = canonicalOf(view, indexValue)
      endOnline = events.listen('online', view.id, ({ values }) => {
        if (values === null || (text !== null && values.includes(text))) change()
      })
    }

    /** Time alone may bring another row, or end the one that is served. */
    function listenToTime({ changesAt }: RealtimeResult) {
      clearTimeout(timer)
      if (changesAt === null || ended) return
      const inMs = Number((changesAt + 999n) / 1000n) - Date.now()
      timer = setTimeout(change, Math.min(Math.max(inMs, 0), longestWaitMs)).unref()
    }

    let ended = false
    return followState<RealtimeResult>({
      listen(onChange) {
        change = onChange
        const endViews = events.listen('views', 'all', onChange)
        const using = setInterval(() => views.cached(target), usedEveryMs).unref()
        return () => {
          ended = true
          clearInterval(using)
          clearTimeout(timer)
          endViews()
          endOnline()
          endTime()
        }
      },
      async read() {
        const view = views.cached(target) ?? (await views.resolve(target, mayMake))
        if (!ended) listenTo(view)
        const result = await lookUpOne(view, indexValue)
        listenToTime(result)
        return result
      },
      isNews: (result, last) => comparable(result) !== comparable(last),
      isEnd: () => false,
    })
  }
}

/** What a query with as_of() gives changes as time passes: it is looked up once more when an answer may no longer be used. */
function followTime({ id, query, record }: View, change: () => void): () => void {
  if (!query.asksForMoment) return () => {}
  if (record.ttlSeconds === null || isPassing(id))
    throw new AppError(
      'BAD_USER_INPUT',
      `The query ${query.name} calls as_of(), so that its rows change at every moment: they are followed through a feature view, whose ttlSeconds says how often (createFeatureView).`,
    )
  const timer = setInterval(change, Math.min(record.ttlSeconds * 1000, longestTimerMs) + 1).unref()
  return () => clearInterval(timer)
}

/** What a timer holds. */
const longestTimerMs = 2 ** 31 - 2

/** Null for what is no value of the key's type: the lookup says so. */
function canonicalOf({ key }: View, indexValue: string): string | null {
  try {
    return key.parse(indexValue).text
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}

/** Rows come in no order. */
function comparable({ rows, error }: RealtimeResult): string {
  if (error !== null) return error.message
  const parsed = JSON.parse(toText(rows)) as unknown[]
  return JSON.stringify(parsed.map((row) => JSON.stringify(row)).sort())
}
