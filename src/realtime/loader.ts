// Loads of many operations at once: what arrives in one turn of the event loop costs one read of the online store.

import DataLoader from 'dataloader'
import { AppError } from '../errors.ts'
import { activeSpan } from '../telemetry/spans.ts'
import type { Lookup, LookupRequest } from './lookup.ts'
import type { LookupAnswers, LookupTarget } from './result.ts'

export interface RealtimeLoader {
  /** Rejects when the target is wrong; a value that fails is its error in the list. */
  load(target: LookupTarget, indexValues: readonly string[]): Promise<LookupAnswers>
}

/**
 * One key of the DataLoader is a whole list, so that a list of 100 values costs one promise. What the sockets have
 * brought when a turn's input is read through is looked up together: under load that is many requests, and for one
 * that comes alone the turn ends at once. Nothing is cached: the store is.
 */
export function createLoader({ lookUp }: Pick<Lookup, 'lookUp'>): RealtimeLoader {
  const loader = new DataLoader<LookupRequest, Answer>((requests) => lookUp(requests), {
    cache: false,
    batchScheduleFn: (dispatch) => void setImmediate(dispatch),
  })
  return {
    async load(target, indexValues) {
      // An answer that is still computed holds up no other: it comes as a promise.
      const answers = await loader.load({ target, indexValues, span: activeSpan() })
      if (answers instanceof AppError) throw answers
      return answers
    },
  }
}

type Answer = Awaited<ReturnType<Lookup['lookUp']>>[number]
