// What is done to feature views, by GraphQL and by REST alike: the typed schema follows before it is answered.

import { AppError } from '../errors.ts'
import type { ViewChanges } from '../features/view-changes.ts'
import type { NewView } from '../features/view-makers.ts'
import type { Services } from './services.ts'

export interface ViewAsked extends Omit<NewView, 'etlId' | 'indexKeys'> {
  etlId?: string | null | undefined
  etlPath?: string | null | undefined
  indexKey?: string | null | undefined
  indexKeys?: readonly string[] | null | undefined
}

/** Answers with its id. */
export async function createView(
  services: Services,
  { etlId, etlPath, indexKey, indexKeys, ...view }: ViewAsked,
): Promise<string> {
  const keys = indexKeysOf({ indexKey, indexKeys })
  const etl = await etlOf(services, { etlId, etlPath })
  const { id } = await services.realtime.createFeatureView({ ...view, etlId: etl, indexKeys: keys })
  await services.typed.refreshed()
  return id
}

export async function updateView(services: Services, id: string, changes: ViewChanges): Promise<void> {
  await services.realtime.updateFeatureView(id, changes)
  await services.typed.refreshed()
}

/** Forced also where trusted documents ask for its fields. */
export async function deleteView(services: Services, id: string, isForced: boolean): Promise<void> {
  if (!isForced) services.typed.assertUnused(id)
  await services.realtime.deleteFeatureView(id)
  await services.typed.refreshed()
}

async function etlOf(
  { etlService }: Services,
  { etlId, etlPath }: Pick<ViewAsked, 'etlId' | 'etlPath'>,
): Promise<string | null> {
  if (etlPath == null) return etlId ?? null
  if (etlId != null)
    throw new AppError(
      'BAD_USER_INPUT',
      'A feature view takes either etlPath, where its ETL lives, or etlId, which the catalog has it under.',
    )
  return (await etlService.resolve(etlPath)).id
}

function indexKeysOf({ indexKey, indexKeys }: Pick<ViewAsked, 'indexKey' | 'indexKeys'>): readonly string[] {
  if (indexKey != null && indexKeys == null) return [indexKey]
  if (indexKeys != null && indexKey == null) return indexKeys
  throw new AppError(
    'BAD_USER_INPUT',
    'A feature view needs either indexKey, the name of one column, or indexKeys, the names of several.',
  )
}
