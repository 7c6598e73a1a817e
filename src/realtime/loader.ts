// Loads of many operations at once: what arrives in one turn of the event loop costs one read of the online store.

import { AppError } from '../errors.ts'
import type { Lookup, LookupRequest } from './lookup.ts'
import type { LookupAnswers, LookupTarget } from './result.ts'

/** A batch is read when it holds so many values, so that one answer never waits for a very long one. */
const valuesPerBatch = 1_000

export interface RealtimeLoader {
  /** Rejects when the target is wrong; a value that fails is its error in the list. */
  load(target: LookupTarget, indexValues: readonly string[]): Promise<LookupAnswers>
}

interface Waiting {
  request: LookupRequest
  resolve(answers: LookupAnswers): void
  reject(error: unknown): void
}

/**
 * What the sockets have brought when a turn's input is read through is looked up together: under load that is many
 * requests, and for one that comes alone the turn ends at once. Nothing is cached: the store is.
 */
export function createLoader({ lookUp }: Pick<Lookup, 'lookUp'>): RealtimeLoader {
  let waiting: Waiting[] = []
  let values = 0

  function flush() {
    if (waiting.length === 0) return
    const batch = waiting
    waiting = []
    values = 0
    void answer(batch)
  }

  async function answer(batch: readonly Waiting[]) {
    try {
      const answers = await lookUp(batch.map(({ request }) => request))
      for (const [i, loaded] of batch.entries()) settle(loaded, answers[i])
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  return {
    load(target, indexValues) {
      const { promise, resolve, reject } = Promise.withResolvers<LookupAnswers>()
      waiting.push({ request: { target, indexValues }, resolve, reject })
      values += indexValues.length
      if (values >= valuesPerBatch) flush()
      else if (waiting.length === 1) setImmediate(flush)
      return promise
    },
  }
}

type Answer = Awaited<ReturnType<Lookup['lookUp']>>[number]

function settle(loaded: Waiting, answer: Answer | undefined) {
  if (answer instanceof Promise) answer.then((late) => settle(loaded, late), loaded.reject)
  else if (answer === undefined) loaded.reject(new Error('a lookup gave no answer'))
  else if (answer instanceof AppError) loaded.reject(answer)
  else loaded.resolve(answer)
}
