// An entity's vector of a service now, and again at every change of any of the views that it is made of.

import { followState } from '../../concurrency/follow.ts'
import type { FeatureService } from '../../features/services.ts'
import { toText } from '../../values/byte-text.ts'
import { keyText } from '../../values/entity-key.ts'
import type { Caller, Realtime } from '../service.ts'
import type { FeatureVector, Vectors } from './vectors.ts'

export interface FollowedEntity {
  service: FeatureService
  /** By the names of index keys and request columns. */
  entity: Readonly<Record<string, unknown>>
}

export type VectorUpdates = (followed: FollowedEntity, caller: Caller) => AsyncIterable<FeatureVector>

/** Each view is followed before the vector is read, so that no change falls between the two. */
export function createVectorUpdates({
  realtime,
  vectors,
}: {
  realtime: Pick<Realtime, 'updates'>
  vectors: Pick<Vectors, 'get'>
}): VectorUpdates {
  return ({ service, entity }, caller) => {
    const request = { service: service.record.id, features: null, fullNames: false, asOf: null }
    const parts = service.references.map(({ view: { record, key }, keys }) => {
      const target = { queryId: record.queryId, etlPath: record.etlId, indexKey: key.text }
      const indexValue = keyText(keys.map(({ column }) => String(entity[column])))
      return realtime.updates(target, indexValue, caller)[Symbol.asyncIterator]()
    })
    return followState<FeatureVector>({
      listen(onChange) {
        for (const part of parts) void ringAtEach(part, onChange)
        return () => {
          for (const part of parts) void part.return?.()
        }
      },
      async read() {
        const [vector] = await vectors.get({ ...request, entities: [entity] }, {})
        if (vector === undefined) throw new Error('one entity has no vector')
        return vector
      },
      isNews: (vector, last) => comparable(vector) !== comparable(last),
      isEnd: () => false,
    })
  }
}

/** What is wrong with a view is told by the vector. */
async function ringAtEach(steps: AsyncIterator<unknown>, onChange: () => void): Promise<void> {
  try {
    while (!(await steps.next()).done) onChange()
  } catch {
    onChange()
  }
}

function comparable({ features, views, error }: FeatureVector): string {
  return JSON.stringify([
    toText(features),
    error?.message,
    views.map((part) => [part.status, part.error?.message]),
  ])
}
