// Reads of the online store under load: while some are under way, what comes meanwhile is gathered into the next one.

import type { Span } from '@opentelemetry/api'
import type { ReadAnswer, ReadRequest } from '../online/port.ts'
import { activeSpan, call, sharedStep } from '../telemetry/spans.ts'

type Read = (requests: readonly ReadRequest[]) => Promise<readonly ReadAnswer[] | null>

/** Reads under way at once; a second one keeps a short read from waiting for a long one. */
const readsAtOnce = 2
/** A gathered read holds no more values than this, unless one caller asks for more. */
const valuesPerRead = 2_000

interface Waiting {
  requests: readonly ReadRequest[]
  values: number
  span: Span | undefined
  resolve(answers: readonly ReadAnswer[] | null): void
  reject(error: unknown): void
}

/** A read that finds the store idle leaves at once; the busier it is, the more callers share a round trip. */
export function createGatheredReads(read: Read): Read {
  const waiting: Waiting[] = []
  let underWay = 0

  function next() {
    const batch = waiting.splice(0, takeable(waiting))
    if (batch.length > 0) void run(batch)
  }

  async function run(batch: readonly Waiting[]) {
    underWay++
    try {
      const requests = batch.flatMap((waiting) => waiting.requests)
      share(batch, await sharedStep('online read', batch, call, () => read(requests)))
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      underWay--
      next()
    }
  }

  return (requests) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly ReadAnswer[] | null>()
    const values = requests.reduce((sum, request) => sum + request.values.length, 0)
    waiting.push({ requests, values, span: activeSpan(), resolve, reject })
    if (underWay < readsAtOnce) next()
    return promise
  }
}

/** How many of those that wait go into one read: at least the first. */
function takeable(waiting: readonly Waiting[]): number {
  let values = 0
  let count = 0
  for (const { values: more } of waiting) {
    values += more
    if (count > 0 && values > valuesPerRead) break
    count++
  }
  return count
}

function share(batch: readonly Waiting[], answers: readonly ReadAnswer[] | null) {
  let from = 0
  for (const { requests, resolve } of batch) {
    resolve(answers === null ? null : answers.slice(from, from + requests.length))
    from += requests.length
  }
}
