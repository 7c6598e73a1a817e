// A loader for one operation: all lists of values that are loaded in a tick cost one read of the online store.

import DataLoader from 'dataloader'
import type { Lookup, LookupRequest } from './lookup.ts'
import type { LookupAnswers, LookupTarget } from './result.ts'

export interface RealtimeLoader {
  /** Rejects when the target is wrong; a value that fails is its error in the list. */
  load(target: LookupTarget, indexValues: readonly string[]): Promise<LookupAnswers>
}

/** One key of the DataLoader is a whole list, so that a list of 100 values costs one promise. Nothing is cached: the store is. */
export function createLoader({ lookUp }: Pick<Lookup, 'lookUp'>): RealtimeLoader {
  const loader = new DataLoader<LookupRequest, LookupAnswers>(
    // An answer that is an error rejects its own load only.
    (requests) => lookUp(requests),
    { cache: false },
  )
  return { load: (target, indexValues) => loader.load({ target, indexValues }) }
}
