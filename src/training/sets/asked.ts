// The features that a training set is asked for: by a service, or as they are named.

import { AppError } from '../../errors.ts'
import type { FeatureReference } from '../../features/references.ts'
import type { FeatureServices } from '../../features/services.ts'
import type { AskedFeatures, TrainingSetRequest } from './sets.ts'

export interface AskedBy {
  /** By name (the newest version), name@version or id. */
  service: string | null
  features: readonly FeatureReference[] | null
  fullNames: boolean
}

/** Throws BAD_USER_INPUT unless it is one of the two. */
export function askFeatures(
  services: Pick<FeatureServices, 'resolve' | 'resolveFeatures'>,
  { service, features, fullNames }: AskedBy,
): TrainingSetRequest['resolve'] {
  if ((service === null) === (features === null)) {
    const given = service === null ? 'neither is given' : 'both are given'
    throw new AppError(
      'BAD_USER_INPUT',
      `A training set is asked for by a service, or by features; ${given}.`,
    )
  }
  return async ({ taken }): Promise<AskedFeatures> => {
    const naming = { fullNames, taken }
    if (service === null)
      return { references: await services.resolveFeatures(features ?? [], naming), service: null }
    const { record, references, ...made } = await services.resolve(service, naming)
    const { id, name, version, columns } = record
    return { references, service: { id, name, version, columns, ...made } }
  }
}
