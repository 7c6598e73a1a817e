// Views whose refresh by key fails or takes too long: each rests, longer every time, and says so; meanwhile its lookups read through.

import type { Logger } from 'pino'
import type { Background } from '../concurrency/background.ts'
import { messageOf } from '../errors.ts'
import type { View, Views } from './views.ts'

const firstRestMs = 10_000
const longestRestMs = 600_000
/** What stands in a view's note, behind what stood there before. */
const behindNote = /(?:^| )Behind since [\s\S]*$/

export interface ViewHealth {
  /** Its last refresh has failed a short while ago: another is not tried yet. */
  isResting(id: string): boolean
  failed(view: View, error: unknown): void
  succeeded(view: View): void
}

export function createViewHealth(options: {
  views: Pick<Views, 'change' | 'isLive'>
  background: Background
  log: Logger
}): ViewHealth {
  const { views, background, log } = options
  const resting = new Map<string, { restMs: number; untilMs: number }>()

  function note({ id }: View, refreshNote: string | null) {
    background.run('Noting how a feature view is refreshed', async () => {
      if (views.isLive(id)) await views.change(id, { refreshNote })
    })
  }

  return {
    isResting: (id) => (resting.get(id)?.untilMs ?? 0) > Date.now(),
    failed(view, error) {
      const before = resting.get(view.id)
      const restMs = before === undefined ? firstRestMs : Math.min(before.restMs * 2, longestRestMs)
      resting.set(view.id, { restMs, untilMs: Date.now() + restMs })
      log.warn(
        { err: error, view: view.record.name, restMs },
        'A feature view could not be refreshed by key; its lookups read through, and it is tried again',
      )
      const { refreshNote } = view.record
      if (before !== undefined || behindNote.test(refreshNote ?? '')) return
      const reason = messageOf(error).slice(0, 300)
      const since = `Behind since ${new Date().toISOString()}, lookups read through: ${reason}`
      note(view, refreshNote === null ? since : `${refreshNote} ${since}`)
    },
    succeeded(view) {
      const wasResting = resting.delete(view.id)
      const { refreshNote } = view.record
      if (wasResting) log.info({ view: view.record.name }, 'A feature view is refreshed by key again')
      if (refreshNote !== null && behindNote.test(refreshNote))
        note(view, refreshNote.replace(behindNote, '') || null)
    },
  }
}
