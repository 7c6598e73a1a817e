// Loads of many operations at once: what arrives in one turn of the event loop costs one read of the online store.

import DataLoader from 'dataloader'
import { inBatches } from '../concurrency/batches.ts'
import { AppError } from '../errors.ts'
import type { LookupTarget } from '../features/target.ts'
import type { View } from '../features/views.ts'
import { activeSpan } from '../telemetry/spans.ts'
import type { Lookup, LookupRequest } from './lookup.ts'
import type { LookupAnswers } from './result.ts'

export interface RealtimeLoader {
  /** Rejects when the target is wrong. */
  load(target: LookupTarget, indexValues: readonly string[]): Promise<LookupAnswers>
}

/** Values of a view that is at hand, in their canonical text. */
export interface WantedOfView {
  view: View
  indexValues: readonly string[]
}

/** An answer that is still computed holds up no other: it comes as a promise. */
type Answer = Awaited<ReturnType<Lookup['lookUp']>>[number]
/** Requests that are read together, whatever comes with them. */
type Group = readonly LookupRequest[]

/** A lookup of more values than this is one of its own: shorter replies leave less behind for the collector to move. */
const limits = { maxWeight: 500, weightOf: (group: Group) => valuesOf(group) }

/**
 * One key of the DataLoader is a whole list, so that a list of 100 values costs one promise. What the sockets have
 * brought when a turn's input is read through is looked up together: under load that is many requests, and for one
 * that comes alone the turn ends at once. Nothing is cached: the store is.
 */
export function createLoader({ lookUp }: Pick<Lookup, 'lookUp'>) {
  const loader = new DataLoader<Group, readonly Answer[]>(lookUpAll, {
    cache: false,
    batchScheduleFn: (dispatch) => void setImmediate(dispatch),
  })

  async function lookUpGroups(groups: readonly Group[]): Promise<readonly (readonly Answer[])[]> {
    const answers = await lookUp(groups.flat())
    let next = 0
    return groups.map(({ length }) => {
      next += length
      return answers.slice(next - length, next)
    })
  }

  async function lookUpAll(groups: readonly Group[]): Promise<readonly (readonly Answer[] | Error)[]> {
    const batches = [...inBatches(groups, limits)]
    const [first] = batches
    if (batches.length === 1 && first !== undefined) return lookUpGroups(first)
    const settled = await Promise.allSettled(batches.map(lookUpGroups))
    return settled.flatMap((batch, i): readonly (readonly Answer[] | Error)[] =>
      batch.status === 'fulfilled' ? batch.value : (batches[i] ?? []).map(() => batch.reason as Error),
    )
  }

  const of = (mayMake: boolean): RealtimeLoader => ({
    async load(target, indexValues) {
      const [answers = []] = await loader.load([{ target, indexValues, mayMake, span: activeSpan() }])
      return orThrow(await answers)
    },
  })
  const [making, finding] = [of(true), of(false)]
  return {
    of: (mayMake: boolean) => (mayMake ? making : finding),
    /** All of it in one read of the online store; answers for each, in order. */
    async ofViews(wanted: readonly WantedOfView[]): Promise<readonly LookupAnswers[]> {
      const span = activeSpan()
      const answers = await loader.load(wanted.map((each) => ({ ...each, span })))
      return Promise.all(answers.map(async (answer) => orThrow(await answer)))
    },
  }
}

function orThrow(answers: Awaited<Answer>): LookupAnswers {
  if (answers instanceof AppError) throw answers
  return answers
}

function valuesOf(group: Group): number {
  let values = 0
  for (const { indexValues } of group) values += indexValues.length
  return values
}
