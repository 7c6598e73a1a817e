// Feature: a column of a feature view's rows that is neither key nor time, with what its owner says of it; and what is said of the view.

import type { FeatureNote } from '../catalog/feature-views.ts'
import type { ViewWords } from '../features/view-changes.ts'
import { viewReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import type { ColumnTypeRef } from './column.ts'
import type { Services } from './services.ts'

interface WordsGiven {
  description?: string | null | undefined
  owner?: string | null | undefined
  tags?: readonly string[] | null | undefined
  features?: readonly NoteGiven[] | null | undefined
}

interface NoteGiven {
  feature: string
  description?: string | null | undefined
  deprecated?: string | null | undefined
}

export function addFeature(builder: Builder, services: Services, columnType: ColumnTypeRef) {
  builder.objectType('Feature', {
    description: "A column of a feature view's rows that is neither key nor time.",
    authScopes: viewReaders,
    fields: (t) => ({
      name: t.string({ resolve: ({ column }) => column.name }),
      type: t.field({ type: columnType, resolve: ({ column }) => column.type }),
      nullable: t.boolean({ resolve: ({ column }) => column.nullable }),
      description: t.exposeString('description', { nullable: true }),
      deprecated: t.exposeString('deprecated', {
        nullable: true,
        description: 'Why nobody should use it any more, and what to use instead.',
      }),
      graphqlName: t.string({
        nullable: true,
        description: 'Its field in the typed schema; null where it has none.',
        resolve: (feature) => services.realtime.graphqlNameOf(feature),
      }),
    }),
  })

  const note = builder.inputType('FeatureNoteInput', {
    description: 'What is said of one feature; one of which nothing is said loses what was.',
    fields: (t) => ({
      feature: t.string({
        required: true,
        description: 'A column of the view that is neither key nor time.',
      }),
      description: t.string(),
      deprecated: t.string({ description: 'Why nobody should use it any more, and what to use instead.' }),
    }),
  })

  return {
    /** The arguments by which a view is described. */
    wordsOf: (arg: Parameters<Parameters<Builder['mutationField']>[1]>[0]['arg']) => ({
      description: arg.string(),
      owner: arg.string({ description: 'Whom to ask about it.' }),
      tags: arg.stringList(),
      features: arg({
        type: [note],
        description: 'What is said of single features; others keep what was said of them.',
      }),
    }),
    wordsFrom: ({ description, owner, tags, features }: WordsGiven): ViewWords => ({
      ...(description !== undefined && { description }),
      ...(owner !== undefined && { owner }),
      ...(tags !== undefined && { tags }),
      ...(features !== undefined && { features: features?.map(noteFrom) ?? null }),
    }),
  }
}

function noteFrom({ feature, description = null, deprecated = null }: NoteGiven): FeatureNote {
  return { feature, description, deprecated }
}

export type FeatureWords = ReturnType<typeof addFeature>
