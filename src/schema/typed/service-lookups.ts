// Lookups of typed services: entities as their arguments name them, answered by vectors.

import type { FeatureVector, Vectors } from '../../realtime/vectors/vectors.ts'
import { toText } from '../../values/byte-text.ts'
import type { Loading } from '../lookup-fields.ts'
import type { TypedService } from './service-entry.ts'

type Arguments = Readonly<Record<string, unknown>>

/** One for each entity, in order. */
export async function vectorsOf(
  entry: TypedService,
  vectors: Pick<Vectors, 'get'>,
  { entities, asOf }: { entities: readonly Arguments[]; asOf: bigint | null },
  { charge, realtimeLoader, answer }: Loading,
): Promise<readonly FeatureVector[]> {
  const asked = { service: entry.service.record.id, features: null, fullNames: false, asOf }
  const given = entities.map((entity) => entityOf(entry, entity))
  const found = await vectors.get({ ...asked, entities: given }, { charge, realtimeLoader })
  for (const { features } of found) answer.take(features.length)
  return found
}

/** Throws what keeps it from being answered whole. */
export function onlyVector([vector]: readonly FeatureVector[]): FeatureVector {
  if (vector === undefined) throw new Error('one entity has no vector')
  const error = vector.error ?? vector.views.find((part) => part.error !== null)?.error ?? null
  if (error !== null) throw error
  return vector
}

export function rowOf({ features }: FeatureVector): object {
  return JSON.parse(toText(features)) as object
}

/** As the request's JSON would have it: integers beyond what numbers hold are digits. */
export function entityOf({ args }: Pick<TypedService, 'args'>, given: Arguments): Arguments {
  return Object.fromEntries(
    args
      .filter(({ name }) => given[name] !== undefined)
      .map(({ name, column }) => {
        const value = given[name]
        return [column.name, typeof value === 'bigint' ? String(value) : value]
      }),
  )
}
