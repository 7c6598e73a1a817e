// Loads of many operations at once: what arrives in one turn of the event loop costs one read of the online store.

import DataLoader from 'dataloader'
import { inBatches } from '../concurrency/batches.ts'
import { AppError } from '../errors.ts'
import type { LookupTarget } from '../features/target.ts'
import { activeSpan } from '../telemetry/spans.ts'
import type { Lookup, LookupRequest } from './lookup.ts'
import type { LookupAnswers } from './result.ts'

export interface RealtimeLoader {
  /** Rejects when the target is wrong. */
  load(target: LookupTarget, indexValues: readonly string[]): Promise<LookupAnswers>
}

/** An answer that is still computed holds up no other: it comes as a promise. */
type Answer = Awaited<ReturnType<Lookup['lookUp']>>[number]

/** A lookup of more values than this is one of its own: shorter replies leave less behind for the collector to move. */
const limits = { maxWeight: 500, weightOf: ({ indexValues }: LookupRequest) => indexValues.length }

/**
 * One key of the DataLoader is a whole list, so that a list of 100 values costs one promise. What the sockets have
 * brought when a turn's input is read through is looked up together: under load that is many requests, and for one
 * that comes alone the turn ends at once. Nothing is cached: the store is.
 */
export function createLoader({ lookUp }: Pick<Lookup, 'lookUp'>): (mayMake: boolean) => RealtimeLoader {
  const loader = new DataLoader<LookupRequest, Answer>(lookUpAll, {
    cache: false,
    batchScheduleFn: (dispatch) => void setImmediate(dispatch),
  })

  async function lookUpAll(requests: readonly LookupRequest[]): Promise<readonly (Answer | Error)[]> {
    const batches = [...inBatches(requests, limits)]
    const [first] = batches
    if (batches.length === 1 && first !== undefined) return lookUp(first)
    const settled = await Promise.allSettled(batches.map(lookUp))
    return settled.flatMap((batch, i): readonly (Answer | Error)[] =>
      batch.status === 'fulfilled' ? batch.value : (batches[i] ?? []).map(() => batch.reason as Error),
    )
  }

  const of = (mayMake: boolean): RealtimeLoader => ({
    async load(target, indexValues) {
      const answers = await loader.load({ target, indexValues, mayMake, span: activeSpan() })
      if (answers instanceof AppError) throw answers
      return answers
    },
  })
  const [making, finding] = [of(true), of(false)]
  return (mayMake) => (mayMake ? making : finding)
}
