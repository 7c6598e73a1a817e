// SchemaProblem: what of the catalog has no place in the typed schema, and what helps.

import { viewReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import type { Services } from './services.ts'

export function addSchemaProblem(builder: Builder, services: Services) {
  builder.objectType('SchemaProblem', {
    description: 'What of the catalog is left out of `features`, and what helps.',
    authScopes: viewReaders,
    fields: (t) => ({
      entry: t.exposeString('entry', { description: 'The feature view, by its name.' }),
      feature: t.exposeString('feature', {
        nullable: true,
        description: 'The one of its features that is left out; null where the whole entry is.',
      }),
      problem: t.exposeString('problem'),
      cure: t.exposeString('cure'),
    }),
  })
  builder.queryField('schemaProblems', (t) =>
    t.field({
      type: ['SchemaProblem'],
      description:
        'What of the catalog is left out of `features`: it never keeps the rest from being served.',
      authScopes: viewReaders,
      resolve: () => [...services.typed.problems()],
    }),
  )
}
