// A load in which each request has a moment of its own and is sent then, whatever became of those before. Takes its options as JSON on the standard input, and prints what it measured.

import { constants, setPriority } from 'node:os'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { text } from 'node:stream/consumers'
import { Worker } from 'node:worker_threads'
import { type Moments, monotonicMs } from './clock.ts'
import { type Connections, openConnections, requestBytes } from './connections.ts'

export interface OpenLoopOptions {
  url: string
  bodies: readonly string[]
  requestsPerSecond: number
  seconds: number
}

export interface Percentiles {
  p50: number
  p99: number
  p999: number
}

export interface OpenLoopResult {
  requests: number
  /** From the moment that a request was due to the end of its answer, in milliseconds: what delays its sending is in it. */
  latencyMs: Percentiles
  /** How late the load generator itself took requests up. */
  latenessMs: Percentiles
}

const connections = 64
/** Sent first and not counted: the generator has to be compiled, too. */
const warmUpSeconds = 0.5
/** A server that answers nothing for so long has failed. */
const maxSilenceMs = 30_000

async function main() {
  goFirst()
  const options = JSON.parse(await text(process.stdin)) as OpenLoopOptions
  const open = await openConnections(options.url, connections)
  try {
    console.log(JSON.stringify(await run(options, open)))
  } finally {
    open.close()
  }
}

/** Clients are elsewhere, as a rule, and do not wait for this machine's processors; only an administrator may have it so here. */
function goFirst() {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST)
  } catch {
    // Then the lateness tells what comes of it.
  }
}

async function run(
  { url, bodies, requestsPerSecond, seconds }: OpenLoopOptions,
  open: Connections,
): Promise<OpenLoopResult> {
  const requests = bodies.map((body) => requestBytes(url, body))
  const [first, intervalMs] = [Math.round(warmUpSeconds * requestsPerSecond), 1_000 / requestsPerSecond]
  const count = first + Math.round(seconds * requestsPerSecond)
  const [latency, lateness] = [createHistogram(), createHistogram()]
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  open.failed.catch(reject)
  const silence = failAfterSilence((error) => reject(error))
  const startMs = performance.now() + 50
  const dueMs = (index: number) => startMs + index * intervalMs
  let [next, answered] = [0, 0]

  function send(index: number) {
    const isCounted = index >= first
    if (isCounted) record(lateness, performance.now() - dueMs(index))
    open.send(requests[index % requests.length] ?? Buffer.alloc(0), () => {
      if (isCounted) record(latency, performance.now() - dueMs(index))
      silence.refresh()
      if (++answered === count) resolve()
    })
  }

  wakeAt({ startMs, intervalMs, count }, () => {
    while (next < count && dueMs(next) <= performance.now()) send(next++)
  })
  await promise.finally(() => clearTimeout(silence))
  return { requests: count - first, latencyMs: percentilesOf(latency), latenessMs: percentilesOf(lateness) }
}

function failAfterSilence(fail: (error: Error) => void): NodeJS.Timeout {
  return setTimeout(
    () => fail(new Error(`The server has answered nothing in ${maxSilenceMs} ms`)),
    maxSilenceMs,
  )
}

/** `startMs`: of this thread's clock. */
function wakeAt({ startMs, ...moments }: Moments, wake: () => void) {
  const startAtMs = monotonicMs() + startMs - performance.now()
  const clock = new Worker(new URL('clock.ts', import.meta.url), {
    workerData: { ...moments, startMs: startAtMs },
  })
  clock.on('message', wake)
}

/** In microseconds, of which a histogram takes whole ones from 1 up. */
function record(histogram: RecordableHistogram, ms: number) {
  histogram.record(Math.max(1, Math.round(ms * 1_000)))
}

function percentilesOf(histogram: RecordableHistogram): Percentiles {
  const at = (percentile: number) => histogram.percentile(percentile) / 1_000
  return { p50: at(50), p99: at(99), p999: at(99.9) }
}

if (import.meta.main) await main()
