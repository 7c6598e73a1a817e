// What is online of an entity that was taken from its tables: its own values go at once, and what else was made of its rows is made anew.

import type { Logger } from 'pino'
import type { Background } from '../../concurrency/background.ts'
import { AppError, messageOf } from '../../errors.ts'
import type { Events } from '../../events.ts'
import { qualified, tablesReadBy } from '../../features/followed.ts'
import type { View, Views } from '../../features/views.ts'
import { type EntityKey, keyText } from '../../values/entity-key.ts'
import type { Compute } from '../compute.ts'
import { type Computed, noRows, toWriteEntry } from '../entry.ts'
import type { OnlineAccess } from '../online-access.ts'
import type { FullRefresh } from './full-refresh.ts'
import type { Change } from './refresh.ts'

/** The key's columns, and the texts of its values. */
export interface ErasedEntity {
  columns: readonly string[]
  texts: readonly string[]
}

/** A view of which old rows may be left online, though none is served. */
export interface ViewLeft {
  name: string
  rows: number
  reason: string
}

/** The entry is of no less than the change's version: a refresh that began before cannot put another in its place. */
export function createErasure(options: {
  views: Views
  compute: Compute
  store: OnlineAccess
  fullRefresh: FullRefresh
  /** Whether a view's values were computed anew by their keys when it was told of the change. */
  isFollowedByKey: (view: View, change: Change) => boolean
  lookupTimeoutMs: number
  events: Events
  background: Background
  log: Logger
}) {
  const { views, compute, store, fullRefresh, isFollowedByKey, lookupTimeoutMs, events, background, log } =
    options

  async function eraseValue(view: View, key: EntityKey, version: number) {
    const signal = AbortSignal.any([background.signal, AbortSignal.timeout(3 * lookupTimeoutMs)])
    const computed = await compute
      .byKey(view, new Map([[key.text, key.values]]), signal)
      .catch((error: unknown): Computed => {
        if (background.signal.aborted || !(error instanceof AppError)) throw error
        log.warn({ err: error, view: view.record.name }, 'Of a value that was erased nothing can be computed')
        const outcomes = new Map([[key.text, { ok: true as const, rows: noRows }]])
        return { version, computedAtMs: Date.now(), outcomes }
      })
    const entries = [...computed.outcomes].map(([text, outcome]) =>
      toWriteEntry(view, text, outcome, computed),
    )
    await store.write(view.id, entries)
    events.publish('online', view.id, { values: [key.text] })
  }

  async function renew(view: View, signal: AbortSignal): Promise<ViewLeft[]> {
    try {
      await fullRefresh.run(view.id, signal)
      return []
    } catch (error) {
      if (signal.aborted || background.signal.aborted || !(error instanceof AppError)) throw error
      const reason = `what is online of the feature view could not be computed anew, and is not served until it is: ${messageOf(error)}`
      return [{ name: view.record.name, rows: 0, reason }]
    }
  }

  return async (change: Change, erased: ErasedEntity, signal: AbortSignal): Promise<ViewLeft[]> => {
    const touched = new Set(change.changes.map(({ table }) => qualified(table)))
    const left: ViewLeft[] = []
    for (const view of await views.all()) {
      signal.throwIfAborted()
      const key = keyIn(view, erased)
      if (key !== null) await eraseValue(view, key, change.version)
      const isTouched = [...tablesReadBy(view)].some((table) => touched.has(table))
      if (!isTouched || isFollowedByKey(view, change)) continue
      // Of one value each, only that value's rows can have been made of what is gone.
      if (key !== null && view.record.refresh === 'BY_KEY') continue
      await store.raiseWatermark(view.id, change.version)
      left.push(...(await renew(view, signal)))
    }
    return left
  }
}

/** The entity as a key of the view; null where its key is another, or cannot be it. */
function keyIn({ key }: View, { columns, texts }: ErasedEntity): EntityKey | null {
  const names = columns.map((name) => name.toLowerCase())
  const places = key.names.map((name) => names.indexOf(name.toLowerCase()))
  if (places.length !== names.length || places.includes(-1)) return null
  try {
    return key.parse(keyText(places.map((place) => texts[place] ?? '')))
  } catch (error) {
    if (error instanceof AppError && error.code === 'BAD_USER_INPUT') return null
    throw error
  }
}
