// A value's rows now, and again at every change, for as long as the client listens.

import { Repeater } from 'graphql-yoga'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import { canonicalText, parseIndexValue } from './index-value.ts'
import type { Lookup } from './lookup.ts'
import type { LookupTarget, RealtimeResult } from './result.ts'
import type { View, Views } from './views.ts'

export type Updates = (target: LookupTarget, indexValue: string) => AsyncIterable<RealtimeResult>

/**
 * Each iteration listens before it looks up, so that no change falls between the two. Changes that come faster than
 * the client takes them are one. A repeater's `return` unsubscribes at once, even while a `next` waits.
 */
export function createUpdates(options: { views: Views; lookup: Lookup; events: Events }): Updates {
  const { views, lookup, events } = options

  async function lookUpOne(view: View, indexValue: string): Promise<RealtimeResult> {
    const [result] = await lookup.lookUpIn(view, [indexValue])
    if (result === undefined) throw new AppError('INTERNAL', 'The lookup gave no result.')
    if (result instanceof AppError) throw result
    return result
  }

  return (target, indexValue) =>
    new Repeater<RealtimeResult>(async (push, stop) => {
      let stopped = false
      let changed = createSignal()
      let listening: { viewId: string; end: () => void } | undefined
      void stop.then(() => {
        stopped = true
        listening?.end()
        endListening()
        changed.fire()
      })
      const endListening = events.listen('views', 'all', () => changed.fire())

      function listen(view: View) {
        if (listening?.viewId === view.id || stopped) return
        listening?.end()
        const text = canonicalText(view.keyColumn, parseIndexValue(view.keyColumn, indexValue))
        const end = events.listen('online', view.id, ({ values }) => {
          if (values === null || values.includes(text)) changed.fire()
        })
        listening = { viewId: view.id, end }
      }

      let last: string | undefined
      try {
        while (!stopped) {
          const view = views.cached(target) ?? (await views.resolve(target))
          listen(view)
          changed = createSignal()
          const result = await lookUpOne(view, indexValue)
          const rows = comparable(result.rows)
          if (rows !== last && !stopped) {
            last = rows
            await push(result)
          }
          await changed.fired
        }
      } finally {
        listening?.end()
        endListening()
        stop()
      }
    })
}

function createSignal() {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { fired: promise, fire: resolve }
}

/** Rows come in no order. */
function comparable(rows: string): string {
  const parsed = JSON.parse(rows) as unknown[]
  return JSON.stringify(parsed.map((row) => JSON.stringify(row)).sort())
}
