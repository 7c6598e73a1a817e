// Values that are not online are computed from the warehouse, together and once for all who wait, and stored.

import type { Logger } from 'pino'
import type { Background } from '../concurrency/background.ts'
import { within } from '../concurrency/within.ts'
import { AppError, unavailable } from '../errors.ts'
import type { View, Views } from '../features/views.ts'
import type { KeysByText, KeyValues } from '../values/entity-key.ts'
import type { Compute } from './compute.ts'
import { type Computed, foundByLookup, type Outcome, toWriteEntry } from './entry.ts'
import type { OnlineAccess } from './online-access.ts'

/** Computations of one view that run at once; what comes meanwhile waits and makes the next one larger. */
const concurrentPerView = 2
/** Values that wait for the warehouse or are computed: beyond it, who asks for more is turned away. */
const maxUnderWay = 100_000
/** Computing again, when a publish overtook the computation. */
const maxAttempts = 3

/** An index value's outcome with the snapshot that it was computed at. */
export interface Answer {
  outcome: Outcome
  version: number
  computedAtMs: number
}

export interface ReadThrough {
  /** Computes the keys at a snapshot not older than the watermark. A value that fails answers with its error; nothing rejects. */
  get(view: View, keys: KeysByText, watermark: number): Promise<ReadonlyMap<string, Answer | AppError>>
}

interface Waiting {
  values: KeyValues
  resolve(answer: Answer | AppError): void
}

interface Queue {
  /** The newest record of the view. */
  view: View
  waiting: Map<string, Waiting>
  /** What each value that waits or is being computed will answer. */
  answers: Map<string, Promise<Answer | AppError>>
  running: number
  flushing: boolean
}

export function createReadThrough(options: {
  compute: Compute
  store: OnlineAccess
  views: Views
  background: Background
  lookupTimeoutMs: number
  log: Logger
}): ReadThrough {
  const { compute, store, views, background, lookupTimeoutMs, log } = options
  const queues = new Map<string, Queue>()
  let underWay = 0

  function queueOf(view: View): Queue {
    const queue = queues.get(view.id) ?? {
      view,
      waiting: new Map(),
      answers: new Map(),
      running: 0,
      flushing: false,
    }
    queue.view = view
    queues.set(view.id, queue)
    return queue
  }

  function ask(queue: Queue, text: string, values: KeyValues): Promise<Answer | AppError> {
    const known = queue.answers.get(text)
    if (known !== undefined) return known
    const answer = new Promise<Answer | AppError>((resolve) => {
      queue.waiting.set(text, { values, resolve })
    })
    queue.answers.set(text, answer)
    if (!queue.flushing) {
      queue.flushing = true
      // All lookups of this tick have asked by then.
      setImmediate(() => {
        queue.flushing = false
        flush(queue)
      })
    }
    return answer
  }

  function flush(queue: Queue) {
    if (queue.running >= concurrentPerView || queue.waiting.size === 0) return
    const batch = queue.waiting
    queue.waiting = new Map()
    queue.running++
    background.track(answerBatch(queue, batch))
  }

  async function answerBatch(queue: Queue, batch: ReadonlyMap<string, Waiting>) {
    const answerOf = await run(queue.view, batch).catch((error: unknown) => {
      const failure = toAppError(error, queue.view)
      return () => failure
    })
    for (const [text, { resolve }] of batch) {
      // Who asks again from now on starts a new computation.
      queue.answers.delete(text)
      resolve(answerOf(text))
    }
    queue.running--
    if (queue.running === 0 && queue.waiting.size === 0) queues.delete(queue.view.id)
    flush(queue)
  }

  async function run(
    view: View,
    batch: ReadonlyMap<string, Waiting>,
  ): Promise<(text: string) => Answer | AppError> {
    const keys = new Map([...batch].map(([text, { values }]) => [text, values]))
    const signal = AbortSignal.any([AbortSignal.timeout(lookupTimeoutMs), background.signal])
    const computed = await compute.byKey(view, keys, signal)
    // Who looks a value up twice finds it online the second time; over an outage nobody waits for the store.
    if (!store.isDown()) await storeOnline(view, computed)
    const { version, computedAtMs } = computed
    return (text: string) => {
      const outcome = computed.outcomes.get(text)
      return outcome === undefined ? lost(text) : { outcome, version, computedAtMs }
    }
  }

  async function storeOnline(view: View, computed: Computed) {
    if (!views.isLive(view.id)) return
    try {
      const entries = [...computed.outcomes].map(([text, outcome]) =>
        foundByLookup(toWriteEntry(view, text, outcome, computed)),
      )
      await store.write(view.id, entries)
    } catch (error) {
      if (!store.isDown())
        log.warn({ err: error, view: view.record.name }, 'Rows read through could not be stored online')
    }
  }

  function toAppError(error: unknown, view: View): AppError {
    if (isTimeout(error)) return timeout()
    if (error instanceof AppError) return error
    if (background.signal.aborted) return new AppError('WAREHOUSE_FAILED', 'The gateway is closing.')
    log.error({ err: error, view: view.record.name }, 'A lookup failed')
    return new AppError('INTERNAL', 'The lookup failed for a reason that the log tells.', { cause: error })
  }

  function refuse(keys: KeysByText): Map<string, AppError> {
    const failure = unavailable(
      'OVERLOADED',
      `${underWay} index values wait for the warehouse already; ask again in a moment`,
      { retryAfterSeconds: 1 },
    )
    return new Map([...keys.keys()].map((text) => [text, failure]))
  }

  function timeout() {
    return new AppError(
      'TIMEOUT',
      `The rows were not computed within ${lookupTimeoutMs} ms; ask for fewer index values at once, or raise LOOKUP_TIMEOUT_MS.`,
    )
  }

  function lost(text: string) {
    return new AppError(
      'INTERNAL',
      `No outcome was computed for the index value ${JSON.stringify(text.slice(0, 80))}.`,
    )
  }

  async function askUntilCurrent(queue: Queue, text: string, values: KeyValues, watermark: number) {
    let answer = await ask(queue, text, values)
    for (let attempt = 1; attempt < maxAttempts; attempt++) {
      if (answer instanceof AppError || answer.version >= watermark) return answer
      answer = await ask(queue, text, values)
    }
    return answer
  }

  return {
    async get(view, keys, watermark) {
      if (keys.size === 0) return new Map()
      if (underWay > 0 && underWay + keys.size > maxUnderWay) return refuse(keys)
      const queue = queueOf(view)
      const answers = [...keys].map(
        async ([text, values]) => [text, await askUntilCurrent(queue, text, values, watermark)] as const,
      )
      underWay += keys.size
      const answered = await within(lookupTimeoutMs, Promise.all(answers), () => null)
      underWay -= keys.size
      if (answered !== null) return new Map(answered)
      const failure = timeout()
      return new Map([...keys.keys()].map((text) => [text, failure]))
    },
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError'
}
