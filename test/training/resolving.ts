// References to features as a training set is given them.

import { type FeatureReference, resolveReferences } from '../../src/features/references.ts'
import { createViewRecords, type View } from '../../src/features/view-records.ts'
import type { AskedService } from '../../src/training/sets/sets.ts'
import type { TrainingStack } from './training-stack.ts'

/** As the service of feature references resolves them. */
export function resolving(
  { catalog, warehouse }: TrainingStack,
  features: readonly FeatureReference[],
  service: AskedService | null = null,
) {
  const records = createViewRecords({ catalog, warehouse })
  async function viewByName(name: string) {
    const { id } = await catalog.prisma.featureView.findUniqueOrThrow({ where: { name } })
    return records.toView(await catalog.featureViews.byId(id))
  }
  const columnsOf = async ({ etl, query }: View) =>
    (etl && (await catalog.etls.outputColumns(etl.id, query.id))) ?? query.columns
  return async ({ taken }: { taken: ReadonlyMap<string, string> }) => {
    const names = service?.etl ? new Map() : taken
    return { references: await resolveReferences(features, { viewByName, columnsOf, taken: names }), service }
  }
}
