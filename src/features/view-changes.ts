// What is said of a view, and may be changed while it serves.

import { checkText } from '../catalog/database/violations.ts'
import type { FeatureNote, FeatureViewChanges } from '../catalog/feature-views.ts'
import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'
import { checkNotes, mergeNotes } from './notes.ts'
import { featuresOf } from './references.ts'
import { nextDue } from './refresh-every.ts'
import { checkSeconds } from './times.ts'
import type { View } from './view-records.ts'

/** What is left out stays as it is. */
export interface ViewChanges extends ViewWords {
  ttlSeconds?: number | null
  eventTtlSeconds?: number | null
  refreshEvery?: string | null
}

/** For people. */
export interface ViewWords {
  description?: string | null
  owner?: string | null
  tags?: readonly string[] | null
  /** Null takes all notes away; else those of other features stay. */
  features?: readonly FeatureNote[] | null
}

/** A view, or what is to be one. */
interface Noted extends Pick<View, 'etl' | 'query'> {
  key: Pick<View['key'], 'names'>
  record: Pick<View['record'], 'timestampColumn' | 'createdColumn' | 'featureNotes'>
}

/** Null before the first run of its ETL in training. */
export type ColumnsOf = (view: Pick<View, 'etl' | 'query'>) => Promise<readonly Column[] | null>

/** As the catalog keeps them. Throws BAD_USER_INPUT. */
export async function readWords(
  words: ViewWords,
  view: Noted,
  columnsOf: ColumnsOf,
): Promise<Pick<FeatureViewChanges, 'description' | 'owner' | 'tags' | 'featureNotes'>> {
  const { description, owner, tags, features } = words
  for (const [what, text] of Object.entries({ description, owner })) if (text != null) checkText(what, text)
  for (const tag of tags ?? []) checkText('A tag', tag)
  if (features != null && features.length > 0) {
    const columns = await columnsOf(view)
    if (columns === null)
      throw new AppError(
        'BAD_USER_INPUT',
        `features: what the ETL ${view.etl?.name} gives is known once it has run in training; run extractTrain with it first.`,
      )
    checkNotes(features, featuresOf(view, columns))
  }
  return {
    ...(description !== undefined && { description }),
    ...(owner !== undefined && { owner }),
    ...(tags !== undefined && { tags: [...new Set(tags ?? [])] }),
    ...(features !== undefined && {
      featureNotes: features === null ? [] : mergeNotes(view.record.featureNotes, features),
    }),
  }
}

export async function readChanges(
  view: View,
  changes: ViewChanges,
  { columnsOf, nextByCron }: { columnsOf: ColumnsOf; nextByCron: Parameters<typeof nextDue>[2] },
): Promise<FeatureViewChanges> {
  const { ttlSeconds, eventTtlSeconds, refreshEvery } = changes
  if (ttlSeconds !== undefined) checkSeconds('ttlSeconds', ttlSeconds)
  if (refreshEvery != null) nextDue(refreshEvery, new Date(), nextByCron)
  if (eventTtlSeconds != null) {
    checkSeconds('eventTtlSeconds', eventTtlSeconds)
    if (view.record.timestampColumn === null)
      throw new AppError(
        'BAD_USER_INPUT',
        `The feature view ${view.record.name} has no timestampColumn, so no row tells its age; eventTtlSeconds is for views that have one.`,
      )
  }
  return {
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    ...(eventTtlSeconds !== undefined && { eventTtlSeconds }),
    ...(refreshEvery !== undefined && { refreshEvery }),
    ...(await readWords(changes, view, columnsOf)),
  }
}
