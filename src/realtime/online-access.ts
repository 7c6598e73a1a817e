// The online store as lookups and refreshes see it: an outage is noticed once, bridged, and no watermark is forgotten over it.

import type { Logger } from 'pino'
import type { FeatureViews } from '../catalog/feature-views.ts'
import type { Background } from '../concurrency/background.ts'
import { inBatches } from '../concurrency/batches.ts'
import type { Events } from '../events.ts'
import type { OnlineStore, ReadAnswer, ReadRequest, WriteEntry } from '../online/port.ts'
import { call, step } from '../telemetry/spans.ts'
import { createAbsences } from './absences.ts'

/** After a failure the store is left alone for so long: lookups go straight to the warehouse. */
const restMs = 1000
/** How long a refresh waits for the store to come back before its publish fails. */
const patienceMs = 30_000
/** Many at once: the store cuts them as it needs, in the order that suits it, and waits less often. */
const writeLimits = {
  most: 10_000,
  maxWeight: 4_000_000,
  weightOf: ({ rows }: WriteEntry) => rows.length,
}

/** The watermark of a view that is removed, above every version: a gateway that still has the view in memory learns it from the read itself. */
export const retiredWatermark = Number.MAX_SAFE_INTEGER

export interface OnlineAccess {
  /** Null when the store cannot be reached. Watermarks that are still owed to the store count already. */
  read(requests: readonly ReadRequest[]): Promise<readonly ReadAnswer[] | null>
  /** In batches; rejects when the store cannot be reached. */
  write(view: string, entries: readonly WriteEntry[]): Promise<void>
  /**
   * From the call on this process serves nothing older. Waits for the store over an outage; should that last, it
   * rejects, and the watermark is raised when the store is back. Until then the catalog holds it, for the other gateways
   * and for whoever starts after this process is gone.
   */
  raiseWatermark(view: string, version: number): Promise<void>
  /** Has the store told the watermarks that the catalog holds; from the call's end on this process serves nothing older. */
  takeUpWatermarks(): Promise<void>
  isDown(): boolean
}

export function createOnlineAccess(options: {
  online: OnlineStore
  watermarks: Pick<FeatureViews, 'all' | 'raiseWatermark'>
  events: Events
  background: Background
  /** What the store may take to remember that values have no rows. */
  absentMaxBytes: number
  log: Logger
}): OnlineAccess {
  const { online, watermarks, events, background, log } = options
  const absences = createAbsences({ online, maxBytes: options.absentMaxBytes })
  const owed = new Map<string, number>()
  /** What the store has been told of the watermarks that the catalog holds. */
  const told = new Map<string, number>()
  let failedAtMs: number | null = null
  let settling = false

  function noteFailure(error: unknown) {
    if (failedAtMs === null) {
      log.warn({ err: error }, 'The online store does not answer: lookups go to the warehouse until it does')
    }
    failedAtMs = Date.now()
  }

  function noteSuccess() {
    if (failedAtMs !== null) log.info('The online store answers again')
    failedAtMs = null
    if (owed.size > 0 && !settling) background.run('Raising the watermarks owed to the online store', settle)
  }

  async function settle() {
    settling = true
    try {
      for (const [view, version] of owed) {
        await online.raiseWatermark(view, version)
        told.set(view, version)
        if (owed.get(view) === version) owed.delete(view)
      }
    } finally {
      settling = false
    }
  }

  function withOwed(answer: ReadAnswer, view: string): ReadAnswer {
    const watermark = owed.get(view) ?? 0
    return watermark > answer.watermark ? { ...answer, watermark } : answer
  }

  async function read(requests: readonly ReadRequest[]) {
    if (failedAtMs !== null && Date.now() - failedAtMs < restMs) return null
    try {
      const answers = await step('online read', call, () => online.read(requests))
      noteSuccess()
      if (owed.size === 0) return answers
      return answers.map((answer, i) => withOwed(answer, requests[i]?.view ?? ''))
    } catch (error) {
      noteFailure(error)
      return null
    }
  }

  async function write(view: string, entries: readonly WriteEntry[]) {
    for (const batch of inBatches(entries, writeLimits)) {
      await online.write(view, batch)
      await absences.note(view, batch)
    }
  }

  function owe(view: string, version: number) {
    if ((owed.get(view) ?? 0) < version) owed.set(view, version)
  }

  /** Before the store is back, so that no gateway that it comes back to has missed it. */
  async function keepInCatalog(view: string, version: number): Promise<boolean> {
    try {
      await watermarks.raiseWatermark(view, version)
      events.publish('watermarks', 'all', { changed: true })
      return true
    } catch (error) {
      log.warn(
        { err: error },
        'A watermark that the online store could not be told is not in the catalog either',
      )
      return false
    }
  }

  async function takeUpWatermarks() {
    for (const { id, watermark } of await watermarks.all()) {
      if (watermark !== null && watermark > (told.get(id) ?? 0)) owe(id, watermark)
    }
  }

  async function raiseWatermark(view: string, version: number) {
    owe(view, version)
    let isKept = false
    const deadlineMs = Date.now() + patienceMs
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2000)) {
      try {
        await online.raiseWatermark(view, version)
        if ((owed.get(view) ?? 0) <= version) owed.delete(view)
        return noteSuccess()
      } catch (error) {
        noteFailure(error)
        if (!isKept) isKept = await keepInCatalog(view, version)
        if (background.signal.aborted || Date.now() + waitMs > deadlineMs) throw error
        await background.pause(waitMs)
      }
    }
  }

  return { read, write, raiseWatermark, takeUpWatermarks, isDown: () => failedAtMs !== null }
}
