// What a view's owner says of single features.

import type { FeatureNote, FeatureViewRecord } from '../catalog/feature-views.ts'
import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'
import { suggestNames } from '../values/near-names.ts'
import { namesOfRows } from './names.ts'
import type { View } from './view-records.ts'

export interface Feature extends Omit<FeatureNote, 'feature'> {
  viewId: string
  column: Column
}

/** Features of a view with what is said of them. */
export function withNotes(
  { id, record }: { id: string; record: Pick<FeatureViewRecord, 'featureNotes'> },
  features: readonly Column[],
): Feature[] {
  return features.map((column) => {
    const note = record.featureNotes.find(({ feature }) => feature === column.name)
    return {
      viewId: id,
      column,
      description: note?.description ?? null,
      deprecated: note?.deprecated ?? null,
    }
  })
}

/** A feature's field in the typed schema; null where it has none. */
export function graphqlNameOf(
  view: Pick<View, 'key' | 'record'>,
  feature: Column,
  columns: readonly Column[],
): string | null {
  if (view.record.graphqlName === null) return null
  return namesOfRows(view, columns).get(feature.name) ?? null
}

/** BAD_USER_INPUT names a note's feature that there is none of, or that is named twice. */
export function checkNotes(notes: readonly FeatureNote[], features: readonly Column[]): void {
  const names = features.map(({ name }) => name)
  for (const [i, { feature }] of notes.entries()) {
    if (notes.findIndex((note) => note.feature === feature) !== i)
      throw new AppError('BAD_USER_INPUT', `features names ${JSON.stringify(feature)} twice.`)
    if (names.includes(feature)) continue
    const near = suggestNames(feature, names)
    throw new AppError(
      'BAD_USER_INPUT',
      `features: the view has no feature ${JSON.stringify(feature)}${near ? `${near} Its` : '; its'} features are ${names.join(', ')}.`,
      { details: { features: names } },
    )
  }
}

/** A note takes the place of the earlier one of its feature; one that says nothing takes it away. */
export function mergeNotes(earlier: readonly FeatureNote[], notes: readonly FeatureNote[]): FeatureNote[] {
  const byFeature = new Map([...earlier, ...notes].map((note) => [note.feature, note]))
  return [...byFeature.values()].filter((note) => note.description !== null || note.deprecated !== null)
}
