// What a view's owner says of single features.

import type { FeatureNote } from '../catalog/feature-views.ts'
import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'

export interface Feature extends Omit<FeatureNote, 'feature'> {
  column: Column
}

export function withNotes(features: readonly Column[], notes: readonly FeatureNote[]): Feature[] {
  return features.map((column) => {
    const { description = null, deprecated = null } =
      notes.find(({ feature }) => feature === column.name) ?? {}
    return { column, description, deprecated }
  })
}

/** BAD_USER_INPUT names a note's feature that there is none of, or that is named twice. */
export function checkNotes(notes: readonly FeatureNote[], features: readonly Column[]): void {
  const names = features.map(({ name }) => name)
  for (const [i, { feature }] of notes.entries()) {
    if (notes.findIndex((note) => note.feature === feature) !== i)
      throw new AppError('BAD_USER_INPUT', `features names ${JSON.stringify(feature)} twice.`)
    if (!names.includes(feature))
      throw new AppError(
        'BAD_USER_INPUT',
        `features: the view has no feature ${JSON.stringify(feature)}; its features are ${names.join(', ')}.`,
        { details: { features: names } },
      )
  }
}

/** A note takes the place of the earlier one of its feature; one that says nothing takes it away. */
export function mergeNotes(earlier: readonly FeatureNote[], notes: readonly FeatureNote[]): FeatureNote[] {
  const byFeature = new Map([...earlier, ...notes].map((note) => [note.feature, note]))
  return [...byFeature.values()].filter((note) => note.description !== null || note.deprecated !== null)
}
