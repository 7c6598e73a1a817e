// A publish job's progress: how fast it goes, and the stream that tells it.

import { Repeater } from 'graphql-yoga'
import { isEnded, type JobStatus } from '../catalog/job-states.ts'
import type { Events } from '../events.ts'

export interface PublishProgress {
  jobId: string
  status: JobStatus
  total: number
  done: number
  flowsPerSecond: number | null
  etaSeconds: number | null
  error: string | null
}

export type Clock = () => number

/** The rate is taken over this long: short enough to follow a change, long enough to be calm. */
const rateWindowMs = 5000

/** Follows one run of a job. The rate sinks while nothing gets done, since time goes on. */
export function createRateMeter(done: number, now: Clock = () => performance.now()) {
  let samples = [{ atMs: now(), done }]

  function flowsPerSecond(): number | null {
    const first = samples[0]
    const last = samples.at(-1)
    if (first === undefined || last === undefined || last.done === first.done) return null
    return ((last.done - first.done) * 1000) / Math.max(now() - first.atMs, 1)
  }

  return {
    advance(to: number) {
      const atMs = now()
      const firstKept = samples.findIndex((sample) => sample.atMs > atMs - rateWindowMs)
      samples = [...samples.slice(firstKept === -1 ? -1 : Math.max(firstKept - 1, 0)), { atMs, done: to }]
    },
    flowsPerSecond,
    etaSeconds(total: number): number | null {
      const rate = flowsPerSecond()
      const last = samples.at(-1)
      return rate === null || last === undefined ? null : (total - last.done) / rate
    },
  }
}

/** A job is told this often, changed or not, and at most once in the gap: four times a second even on a busy machine. */
const heartbeatMs = 120
const gapMs = 40

interface FollowOptions {
  jobId: string
  events: Events
  read: () => Promise<PublishProgress>
  /** Aborting ends the stream. */
  signal: AbortSignal
}

/**
 * Where the job stands, then each step or at the latest a heartbeat, then its end; then it completes. A client that
 * takes events more slowly than they come gets the newest. `return()` unsubscribes at once, even while a `next()` waits.
 * The first `next()` rejects with NOT_FOUND where there is no such job.
 */
export function followProgress({
  jobId,
  events,
  read,
  signal,
}: FollowOptions): AsyncIterable<PublishProgress> {
  return new Repeater<PublishProgress>(async (push, stop) => {
    const bell = createBell()
    const endListening = events.listen('publishJob', jobId, bell.ring)
    signal.addEventListener('abort', bell.close)
    stop.then(bell.close)
    try {
      while (!signal.aborted) {
        const progress = await read()
        await Promise.race([push(progress), stop])
        if (isEnded(progress.status)) break
        if (!(await bell.next())) break
      }
      stop()
    } finally {
      bell.close()
      signal.removeEventListener('abort', bell.close)
      endListening()
    }
  })
}

/** `next()` resolves to true when rung (no sooner than the gap) or at the heartbeat, to false once closed. */
function createBell() {
  let rung = false
  let closed = false
  let wake = () => {}
  let lastMs = 0

  function sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  return {
    async next(): Promise<boolean> {
      lastMs = performance.now()
      if (!rung && !closed) await sleep(heartbeatMs)
      const early = gapMs - (performance.now() - lastMs)
      if (early > 0 && !closed) await sleep(early)
      rung = false
      return !closed
    },
    ring() {
      if (!rung) wake()
      rung = true
    },
    close() {
      closed = true
      wake()
    },
  }
}
