// What a training set is made of, as its dataset keeps it: with it alone it is made by another gateway, or made again.

import { z } from 'zod'
import { columnJson } from '../../catalog/columns-json.ts'
import type { Column } from '../../values/columns.ts'
import type { SetReference } from '../../warehouse/training-set.ts'

const columns = z.array(columnJson)

const spine = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('statement'),
    sql: z.string(),
    /** Of a saved query: its id, and its name and version. */
    queryId: z.string().nullable(),
    query: z.string().nullable(),
    columns,
  }),
  /** The dataset's columns of these names. */
  z.object({ kind: z.literal('dataset'), datasetId: z.string(), columns }),
  /** Rows that came with the request; they wait beside the dataset until it is made. */
  z.object({ kind: z.literal('rows'), rowCount: z.number(), columns }),
])

const reference = z.object({
  view: z.string(),
  viewId: z.string(),
  queryId: z.string(),
  /** Its name and version. */
  query: z.string(),
  sql: z.string(),
  /** Those that the query was saved with. */
  columns,
  isExact: z.boolean(),
  /** Whether it calls `as_of()`. */
  asksForMoment: z.boolean(),
  etl: z
    .object({
      id: z.string(),
      name: z.string(),
      version: z.number(),
      commit: z.string().nullable(),
      contentSha256: z.string(),
      /** What it gave in training. */
      columns,
    })
    .nullable(),
  keys: z.array(z.object({ key: columnJson, column: z.string() })),
  timestampColumn: z.string().nullable(),
  createdColumn: z.string().nullable(),
  eventTtlSeconds: z.number().nullable(),
  prefix: z.string().nullable(),
  features: z.array(z.object({ column: z.string(), name: z.string() })),
})

const service = z.object({
  id: z.string(),
  name: z.string(),
  version: z.number(),
  /** On top of the joined row. */
  etl: z
    .object({
      id: z.string(),
      /** Of the spine: what entities are found by, then what requests bring. */
      entity: columns,
      /** What it gave when the service was made. */
      columns,
    })
    .nullable(),
})

const recipe = z.object({
  name: z.string().nullable(),
  spine,
  /** Of the spine; null where no view has a time. */
  timestampColumn: z.string().nullable(),
  knownAsOf: z.boolean(),
  service: service.nullable(),
  references: z.array(reference),
})

export type SetRecipe = z.infer<typeof recipe>
export type RecipeSpine = SetRecipe['spine']
export type RecipeReference = SetRecipe['references'][number]

export function parseRecipe(json: unknown): SetRecipe {
  return recipe.parse(json)
}

/** As the dataset tells it. */
export function describeSpine({ spine: made }: SetRecipe): object {
  switch (made.kind) {
    case 'statement':
      return made.queryId === null ? { sql: made.sql } : { queryId: made.queryId, query: made.query }
    case 'dataset':
      return { datasetId: made.datasetId }
    case 'rows':
      return { rows: made.rowCount }
  }
}

export function describeReferences({ references }: SetRecipe): object[] {
  return references.map(({ sql: _, columns: __, isExact: ___, etl, keys, features, ...told }) => ({
    ...told,
    etl: etl && {
      id: etl.id,
      name: etl.name,
      version: etl.version,
      commit: etl.commit,
      contentSha256: etl.contentSha256,
    },
    keys: keys.map(({ key, column }) => ({ key: key.name, column })),
    features,
  }))
}

export function notPointInTime({ references }: SetRecipe): string[] {
  const names = references.filter((made) => !isInTime(made)).map(({ view }) => view)
  return [...new Set(names)]
}

export function isInTime({ timestampColumn, asksForMoment }: RecipeReference): boolean {
  return timestampColumn !== null || asksForMoment
}

/** What the rows of a reference hold, after its ETL. */
export function columnsOfReference({ etl, columns: own }: RecipeReference): readonly Column[] {
  return etl?.columns ?? own
}

/** As a relation to be joined: `sql` gives its rows. */
export function toSetReference(
  made: RecipeReference,
  {
    sql,
    columns: own,
    spine: asked,
    asking = null,
  }: {
    sql: string
    columns: readonly Column[]
    spine: readonly Column[]
    asking?: string | null
  },
): SetReference {
  const find = (name: string) => columnOf(own, name)
  const { timestampColumn, createdColumn, eventTtlSeconds, isExact } = made
  return {
    sql,
    columns: own,
    keys: made.keys.map(({ key, column }) => ({ key: find(key.name), column: columnOf(asked, column) })),
    timestamp: timestampColumn === null ? null : find(timestampColumn),
    // An ETL may leave out what its query tells.
    created: own.find(({ name }) => name === createdColumn) ?? null,
    eventTtlSeconds,
    isExact,
    asking,
    features: made.features.map(({ column, name }) => ({ column: find(column), name })),
  }
}

export function columnOf(all: readonly Column[], name: string): Column {
  const found = all.find((column) => column.name === name)
  if (found === undefined) throw new Error(`There is no column ${name}`)
  return found
}
