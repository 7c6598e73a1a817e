// SchemaChange: what the typed schema would lose or change if an entry went from the catalog.

import { AppError } from '../errors.ts'
import { viewReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import { criticalities } from './changes.ts'
import type { Services } from './services.ts'

export function addSchemaChange(builder: Builder, services: Services) {
  const criticality = builder.enumType('SchemaChangeCriticality', {
    description: 'Whether a client’s documents may fail by a change, be answered otherwise, or neither.',
    values: criticalities,
  })
  builder.objectType('SchemaChange', {
    description: 'A change of the typed schema.',
    authScopes: viewReaders,
    fields: (t) => ({
      criticality: t.expose('criticality', { type: criticality }),
      message: t.exposeString('message'),
      path: t.exposeString('path', {
        nullable: true,
        description: '`Features.driverStats`; null where the change is of no one place.',
      }),
      usedBy: t.exposeStringList('usedBy', {
        description: 'The trusted documents that ask for the entry which the change is of.',
      }),
    }),
  })
  builder.queryField('schemaChanges', (t) =>
    t.field({
      type: ['SchemaChange'],
      description:
        'What `features` would lose or change if these went, the worst first; nothing is deleted. Services that take features of the view go with it. Where a service has an earlier version, that one takes its place.',
      authScopes: viewReaders,
      args: { removeFeatureView: t.arg.id(), removeFeatureService: t.arg.id() },
      async resolve(_root, { removeFeatureView, removeFeatureService }) {
        const removal = { viewId: removeFeatureView ?? null, serviceId: removeFeatureService ?? null }
        const { viewId, serviceId } = removal
        if (viewId === null && serviceId === null)
          throw new AppError('BAD_USER_INPUT', 'Say what would go: removeFeatureView or removeFeatureService')
        const { featureViews, featureServices } = services.catalog
        if (viewId !== null) await featureViews.byId(viewId)
        if (serviceId !== null) await featureServices.byId(serviceId)
        return [...(await services.typed.changesWithout(removal))]
      },
    }),
  )
}
