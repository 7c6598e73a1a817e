// Erasure: what has come of taking an entity away.

import type { ErasureResult } from '../publish/erasure.ts'
import { jobReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import { newestFirst } from './listing.ts'
import type { Services } from './services.ts'

export function addErasure(builder: Builder, services: Services) {
  const erased = builder.objectRef<ErasureResult['tables'][number]>('ErasedTable').implement({
    description: 'A table that the entity was taken from.',
    authScopes: jobReaders,
    fields: (t) => ({ name: t.exposeString('name'), rows: t.exposeInt('rows') }),
  })
  const kept = builder.objectRef<ErasureResult['kept'][number]>('KeptTable').implement({
    description: 'What holds the entity still, or may.',
    authScopes: jobReaders,
    fields: (t) => ({
      name: t.exposeString('name'),
      rows: t.exposeInt('rows', { description: 'Of the entity, that were found there afterwards.' }),
      reason: t.exposeString('reason'),
    }),
  })
  return builder.objectRef<ErasureResult>('Erasure').implement({
    description: 'What has come of taking an entity away.',
    authScopes: jobReaders,
    fields: (t) => ({
      indexKey: t.exposeString('indexKey'),
      tables: t.field({ type: [erased], resolve: ({ tables }) => tables }),
      kept: t.field({ type: [kept], resolve: (result) => result.kept }),
      datasets: t.prismaField({
        type: ['Dataset'],
        description: 'Datasets that hold the entity; deleteDataset takes one away.',
        authScopes: { 'catalog:read': true, train: true },
        complexity: { field: 1, multiplier: 5 },
        resolve: (query, { datasetIds }) =>
          services.catalog.prisma.dataset.findMany({
            ...query,
            where: { id: { in: datasetIds } },
            orderBy: newestFirst,
          }),
      }),
    }),
  })
}

export type ErasureRef = ReturnType<typeof addErasure>
