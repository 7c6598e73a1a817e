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
interface Group {
  requests: readonly LookupRequest[]
  /** Whose requests of one turn are read together too. */
  operation: object
}

/** An operation of more values than this has a read of its own: shorter replies leave less behind for the collector to move. */
const limits = { maxWeight: 500, weightOf: valuesOf }

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
    const answers = await lookUp(groups.flatMap(({ requests }) => requests))
    let next = 0
    return groups.map(({ requests: { length } }) => {
      next += length
      return answers.slice(next - length, next)
    })
  }

  async function lookUpAll(groups: readonly Group[]): Promise<readonly (readonly Answer[] | Error)[]> {
    const batches = [...inBatches(byOperation(groups), limits)].map((operations) => operations.flat())
    const [first] = batches
    if (batches.length === 1 && first !== undefined) return lookUpGroups(first)
    const settled = await Promise.allSettled(batches.map(lookUpGroups))
    return settled.flatMap((batch, i): readonly (readonly Answer[] | Error)[] =>
      batch.status === 'fulfilled' ? batch.value : (batches[i] ?? []).map(() => batch.reason as Error),
    )
  }

  return {
    /** For one operation: what it asks for in one turn is one read of the online store. */
    of(mayMake: boolean): RealtimeLoader {
      const operation: RealtimeLoader = {
        async load(target, indexValues) {
          const request = { target, indexValues, mayMake, span: activeSpan() }
          const [answers = []] = await loader.load({ requests: [request], operation })
          return orThrow(await answers)
        },
      }
      return operation
    },
    /** All of it in one read of the online store, with what that operation asks for beside; answers for each, in order. */
    async ofViews(
      wanted: readonly WantedOfView[],
      operation: RealtimeLoader | null = null,
    ): Promise<readonly LookupAnswers[]> {
      const span = activeSpan()
      const requests = wanted.map((each) => ({ ...each, span }))
      const answers = await loader.load({ requests, operation: operation ?? requests })
      return Promise.all(answers.map(async (answer) => orThrow(await answer)))
    },
  }
}

/** What an operation asks for it asks in one go. */
function byOperation(groups: readonly Group[]): Group[][] {
  const operations: Group[][] = []
  for (const group of groups) {
    const before = operations.at(-1)
    if (before?.[0]?.operation === group.operation) before.push(group)
    else operations.push([group])
  }
  return operations
}

function orThrow(answers: Awaited<Answer>): LookupAnswers {
  if (answers instanceof AppError) throw answers
  return answers
}

function valuesOf(groups: readonly Group[]): number {
  let values = 0
  for (const { requests } of groups) for (const { indexValues } of requests) values += indexValues.length
  return values
}
