// One feature view as the typed schema has it: what its fields, its arguments and its rows are called, or why it has none.

import { namesOfRows, namesTakenBy, typeNameOf } from '../../features/names.ts'
import type { View } from '../../features/views.ts'
import type { Column } from '../../values/columns.ts'
import { type Member, type ScalarName, scalarOf, shapeOf, typeNamesOf } from './shapes.ts'

/** A view as the typed schema has it. */
export interface TypedEntry {
  view: View
  /** Of its field; its types are called after it. */
  name: string
  typeName: string
  /** Of all its fields and types: no other entry may have one of them. */
  names: readonly string[]
  /** An entity's arguments, in the order of the key's columns. */
  keys: readonly { name: string; column: Column; scalar: ScalarName }[]
  /** Of a row: features, and the keys that the rows carry. */
  members: readonly Member[]
  /** Of the view, all of them. */
  columns: readonly Column[]
  /** It serves one row of an entity or none. */
  isInTime: boolean
  notes: ReadonlyMap<string, { description: string | null; deprecated: string | null }>
  /** What documents and subscriptions rely on: with another one it is another field. */
  shape: string
  /** Entries of one signature have the same types. */
  signature: string
}

export interface SchemaProblem {
  /** `feature view driver_stats` */
  entry: string
  /** Null where the whole entry is left out. */
  feature: string | null
  problem: string
  cure: string
}

/** A view and the columns of its rows; null where its ETL has not run yet. */
export interface Described {
  view: View
  columns: readonly Column[] | null
}

/** What a view gives by itself; null where it is left out whole. */
export interface Found {
  entry: TypedEntry | null
  leftOut: readonly SchemaProblem[]
}

export const anotherName =
  'make it anew under another name by createFeatureView, whose answer tells its graphqlName'
export const rename =
  'give the column a name of letters and digits in the query (AS …), another than the others have'

export function labelOf({ record }: View): string {
  return `feature view ${record.name}`
}

export function toEntry({ view, columns }: Described): Found {
  const name = view.record.graphqlName
  if (name === null)
    return leaveOut(
      view,
      'every GraphQL name that it may have is taken, or GraphQL allows none of it',
      anotherName,
    )
  if (columns === null)
    return leaveOut(
      view,
      'what its ETL gives is not known before its first run',
      'run the ETL over the query once, by extractTrain',
    )
  const { timestampColumn, createdColumn } = view.record
  const shown = columns.filter((column) => column.name !== timestampColumn && column.name !== createdColumn)
  const names = namesOfRows(view, columns)
  const keyless = view.key.names.find((key) => names.get(key) == null)
  if (keyless !== undefined)
    return leaveOut(
      view,
      `its index key ${JSON.stringify(keyless)} can have no GraphQL name of its own`,
      rename,
    )
  const members = membersOf(shown, names, typeNameOf(name))
  if (members.length === 0)
    return leaveOut(view, 'its rows have no column that can have a GraphQL name', rename)
  const leftOut = shown
    .filter((column) => names.get(column.name) == null)
    .map((column) => problemOf(view, 'it can have no GraphQL name of its own', rename, column.name))
  return { entry: createEntry(view, columns, keysOf(view, names), members), leftOut }
}

function createEntry(
  view: View,
  columns: readonly Column[],
  keys: TypedEntry['keys'],
  members: readonly Member[],
): TypedEntry {
  const { record } = view
  const name = record.graphqlName ?? ''
  const isInTime = record.timestampColumn !== null
  const notes = notesOf(view)
  const asked = keys.map((each) => [each.name, each.scalar])
  const shape = JSON.stringify([view.id, name, isInTime, asked, members])
  const said = [record.name, record.description, record.owner, record.tags, [...notes]]
  return {
    view,
    name,
    typeName: typeNameOf(name),
    names: [...namesTakenBy(name), ...members.flatMap((member) => typeNamesOf(member.shape))],
    keys,
    members,
    columns,
    isInTime,
    notes,
    shape,
    signature: JSON.stringify([shape, said]),
  }
}

type Names = ReturnType<typeof namesOfRows>

function keysOf({ key }: View, names: Names): TypedEntry['keys'] {
  return key.columns.map((column) => ({
    name: names.get(column.name) ?? '',
    column,
    scalar: scalarOf(column) ?? 'String',
  }))
}

function membersOf(columns: readonly Column[], names: Names, typeName: string): Member[] {
  return columns.flatMap((column) => {
    const name = names.get(column.name) ?? null
    return name === null ? [] : [{ name, key: column.name, shape: shapeOf(column, `${typeName}_${name}`) }]
  })
}

function leaveOut(view: View, problem: string, cure: string): Found {
  return { entry: null, leftOut: [problemOf(view, problem, cure)] }
}

function problemOf(view: View, problem: string, cure: string, feature: string | null = null): SchemaProblem {
  return { entry: labelOf(view), feature, problem, cure }
}

function notesOf({ record }: View): TypedEntry['notes'] {
  const notes = new Map<string, { description: string | null; deprecated: string | null }>()
  if (!Array.isArray(record.featureNotes)) return notes
  for (const note of record.featureNotes as { feature: string; description?: string; deprecated?: string }[])
    notes.set(note.feature, { description: note.description ?? null, deprecated: note.deprecated ?? null })
  return notes
}
