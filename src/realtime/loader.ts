// Loads of many operations at once: what arrives in one turn of the event loop costs one read of the online store.

import { AppError } from '../errors.ts'
import { activeSpan } from '../telemetry/spans.ts'
import type { Lookup, LookupRequest } from './lookup.ts'
import type { LookupAnswers, LookupTarget } from './result.ts'

export interface RealtimeLoader {
  /** Rejects when the target is wrong; a value that fails is its error in the list. */
  load(target: LookupTarget, indexValues: readonly string[]): Promise<LookupAnswers>
}

interface Waiting extends LookupRequest {
  resolve(answers: LookupAnswers | PromiseLike<LookupAnswers>): void
  reject(error: unknown): void
}

/** A lookup of more values than this is one of its own: shorter replies leave less behind for the collector to move. */
const valuesAtOnce = 500

/**
 * What the sockets have brought when a turn's input is read through is looked up together: under load that is many
 * requests, and for one that comes alone the turn ends at once. Nothing is cached: the store is. (A DataLoader would
 * do the same, for a promise more a request and a map of what it has under way.)
 */
export function createLoader({ lookUp }: Pick<Lookup, 'lookUp'>): RealtimeLoader {
  let waiting: Waiting[] = []

  function lookUpWaiting() {
    const all = waiting
    waiting = []
    for (const batch of inBatches(all)) void answer(batch)
  }

  async function answer(batch: readonly Waiting[]) {
    try {
      const answers = await lookUp(batch)
      for (const [i, answered] of answers.entries()) settle(batch[i], answered)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  return {
    load: (target, indexValues) =>
      new Promise((resolve, reject) => {
        if (waiting.push({ target, indexValues, span: activeSpan(), resolve, reject }) === 1)
          setImmediate(lookUpWaiting)
      }),
  }
}

/** An answer that is still computed holds up no other: it comes as a promise. */
function settle(request: Waiting | undefined, answered: Awaited<ReturnType<Lookup['lookUp']>>[number]) {
  if (request === undefined) return
  if (answered instanceof AppError) request.reject(answered)
  else if (answered instanceof Promise) answered.then((late) => settle(request, late), request.reject)
  else request.resolve(answered)
}

function* inBatches(waiting: readonly Waiting[]): Generator<readonly Waiting[]> {
  let from = 0
  let values = 0
  for (const [i, { indexValues }] of waiting.entries()) {
    values += indexValues.length
    if (i > from && values > valuesAtOnce) {
      yield waiting.slice(from, i)
      from = i
      values = indexValues.length
    }
  }
  yield from === 0 ? waiting : waiting.slice(from)
}
