// A thread that wakes the load generator at each request's moment: timers of an event loop are a millisecond apart, too coarse for latencies below one.

import { isMainThread, parentPort, workerData } from 'node:worker_threads'

export interface Moments {
  startMs: number
  intervalMs: number
  count: number
}

/** Requests that are due closer together are sent together: each waking costs processor time. */
const minWaitMs = 0.1

/** The same in all threads. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Once more after the last moment, so that none is missed for a clock's inaccuracy. */
function tick({ startMs, intervalMs, count }: Moments, wake: () => void) {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  for (let next = 0; next <= count; ) {
    Atomics.wait(cell, 0, 0, Math.max(minWaitMs, startMs + next * intervalMs - monotonicMs()))
    next = Math.max(next, Math.floor((monotonicMs() - startMs) / intervalMs)) + 1
    wake()
  }
}

if (!isMainThread) tick(workerData as Moments, () => parentPort?.postMessage(null))
