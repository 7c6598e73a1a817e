// A publish job's progress: how fast it goes, and the stream that tells it.

import { isEnded, type JobStatus } from '../catalog/job-states.ts'
import { followState } from '../concurrency/follow.ts'
import type { Events } from '../events.ts'

export interface PublishProgress {
  jobId: string
  status: JobStatus
  total: number
  done: number
  flowsPerSecond: number | null
  etaSeconds: number | null
  /** What keeps the job from going on for now, in a sentence. */
  waitingFor: string | null
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

/**
 * Where the job stands, then each step or at the latest a heartbeat, then its end; then it completes: see followState.
 * The first `next()` rejects with NOT_FOUND where there is no such job.
 */
export function followProgress(options: {
  jobId: string
  events: Events
  read: () => Promise<PublishProgress>
  /** Aborting ends the stream. */
  signal: AbortSignal
}): AsyncIterable<PublishProgress> {
  const { jobId, events, read, signal } = options
  return followState({
    listen: (onChange) => events.listen('publishJob', jobId, onChange),
    read,
    isEnd: ({ status }) => isEnded(status),
    heartbeatMs,
    gapMs,
    signal,
  })
}
