// FeatureRefInput: features of a view, as services, training sets and lookups of vectors name them.

import type { FeatureReference } from '../features/references.ts'
import type { Builder } from './builder.ts'

export type FeatureReferenceRef = ReturnType<typeof addFeatureReference>

/** As GraphQL gives it. */
export interface GivenReference {
  view: string
  features?: readonly string[] | null | undefined
  prefix?: string | null | undefined
  keys?: FeatureReference['keys'] | null | undefined
}

export function addFeatureReference(builder: Builder) {
  const keyMap = builder.inputType('KeyMapInput', {
    description: "Where the value of an index key's column is found, when that is not under its own name.",
    fields: (t) => ({
      key: t.string({ required: true, description: "A column of the view's index key." }),
      column: t.string({ required: true, description: "The entity's, or the spine's." }),
    }),
  })
  return builder.inputType('FeatureRefInput', {
    description: 'Features of a feature view.',
    fields: (t) => ({
      view: t.string({ required: true, description: "The view's name." }),
      features: t.stringList({ description: 'All of the view, left out.' }),
      prefix: t.string({ description: "Stands before each feature's name, as it is." }),
      keys: t.field({
        type: [keyMap],
        description: 'For columns of the index key that are found under other names.',
      }),
    }),
  })
}

export function toReferences(given: readonly GivenReference[]): FeatureReference[] {
  return given.map(({ view, features, prefix, keys }) => ({
    view,
    features: features ?? null,
    prefix: prefix ?? null,
    keys: keys ?? [],
  }))
}
