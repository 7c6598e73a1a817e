// Which entries of the catalog become GraphQL types, what of each, and what is left out and why.

import { memberNames, namesTakenBy, typeNameOf } from '../../features/names.ts'
import type { View } from '../../features/views.ts'
import type { Column } from '../../values/columns.ts'
import { type Member, type ScalarName, scalarOf, shapeOf, typeNamesOf } from './shapes.ts'

/** A view as the typed schema has it. */
export interface TypedEntry {
  view: View
  /** Of its field; its types are called after it. */
  name: string
  typeName: string
  /** An entity's arguments, in the order of the key's columns. */
  keys: readonly { name: string; column: Column; scalar: ScalarName }[]
  /** Of a row: features, and the keys that the rows carry. */
  members: readonly Member[]
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

/** What the rest of the schema asks of the typed one. */
export interface TypedState {
  /** What stands in no type, why, and what helps. */
  problems(): readonly SchemaProblem[]
  /** Resolves once every schema that is held has what the catalog holds now, or could not be made. */
  refreshed(): Promise<void>
  /** Throws CONFLICT with the names of what asks for the view's fields. */
  assertUnused(viewId: string): void
}

export interface Entries {
  entries: readonly TypedEntry[]
  problems: readonly SchemaProblem[]
}

/** A view and the columns of its rows; null where its ETL has not run yet. */
export interface Described {
  view: View
  columns: readonly Column[] | null
}

/** The oldest first: what came before keeps its names. */
export function findEntries(described: readonly Described[], reserved: ReadonlySet<string>): Entries {
  const taken = new Map([...reserved].map((name) => [name, 'the gateway’s own schema']))
  const entries: TypedEntry[] = []
  const problems: SchemaProblem[] = []
  for (const each of described) {
    const found = toEntry(each)
    const entry = 'problem' in found ? found : unlessTaken(found.entry, taken)
    problems.push(...('leftOut' in found ? found.leftOut : []))
    if ('problem' in entry) problems.push(entry)
    else entries.push(entry)
  }
  return { entries, problems }
}

function unlessTaken(entry: TypedEntry, taken: Map<string, string>): TypedEntry | SchemaProblem {
  const label = labelOf(entry.view)
  const names = [...namesTakenBy(entry.name), ...entry.members.flatMap(({ shape }) => typeNamesOf(shape))]
  const clash = names.find((name) => taken.has(name))
  if (clash !== undefined)
    return {
      entry: label,
      feature: null,
      problem: `${clash.replace(/^\./, 'the field ')} is taken by ${taken.get(clash)}`,
      cure: anotherName,
    }
  for (const name of names) taken.set(name, label)
  return entry
}

export const anotherName =
  'make it anew under another name by createFeatureView, whose answer tells its graphqlName'

function labelOf({ record }: View): string {
  return `feature view ${record.name}`
}

function toEntry({
  view,
  columns,
}: Described): SchemaProblem | { entry: TypedEntry; leftOut: readonly SchemaProblem[] } {
  const { record, key } = view
  const left = (problem: string, cure: string, feature: string | null = null): SchemaProblem => ({
    entry: labelOf(view),
    feature,
    problem,
    cure,
  })
  const name = record.graphqlName
  if (name === null)
    return left('every GraphQL name that it may have is taken, or GraphQL allows none of it', anotherName)
  if (columns === null)
    return left(
      'what its ETL gives is not known before its first run',
      'run the ETL over the query once, by extractTrain',
    )
  const typeName = typeNameOf(name)
  const shown = columns.filter(
    (column) => column.name !== record.timestampColumn && column.name !== record.createdColumn,
  )
  const names = memberNames([...new Set([...key.names, ...shown.map((column) => column.name)])])
  const unnamed = (column: string) => names.get(column) == null
  const keyless = key.columns.find((column) => unnamed(column.name) || scalarOf(column) === undefined)
  const rename =
    'give the column a name of letters and digits in the query (AS …), another than the others have'
  if (keyless !== undefined)
    return left(`its index key ${JSON.stringify(keyless.name)} can have no GraphQL name of its own`, rename)
  const members = shown.flatMap((column) => {
    const member = names.get(column.name)
    return member == null
      ? []
      : [{ name: member, key: column.name, shape: shapeOf(column, `${typeName}_${member}`) }]
  })
  if (members.length === 0) return left('its rows have no column that can have a GraphQL name', rename)
  const leftOut = shown
    .filter((column) => unnamed(column.name))
    .map((column) => left('it can have no GraphQL name of its own', rename, column.name))
  const keys = key.columns.map((column) => ({
    name: names.get(column.name) ?? '',
    column,
    scalar: scalarOf(column) ?? 'String',
  }))
  const isInTime = record.timestampColumn !== null
  const shape = JSON.stringify([
    view.id,
    name,
    isInTime,
    keys.map((each) => [each.name, each.scalar]),
    members,
  ])
  const entry = { view, name, typeName, keys, members, isInTime, shape, notes: notesOf(view) }
  return { entry: { ...entry, signature: signatureOf(entry) }, leftOut }
}

function notesOf({ record }: View): TypedEntry['notes'] {
  const notes = new Map<string, { description: string | null; deprecated: string | null }>()
  if (!Array.isArray(record.featureNotes)) return notes
  for (const note of record.featureNotes as { feature: string; description?: string; deprecated?: string }[])
    notes.set(note.feature, { description: note.description ?? null, deprecated: note.deprecated ?? null })
  return notes
}

function signatureOf(entry: Omit<TypedEntry, 'signature'>): string {
  const { name, description, owner, tags } = entry.view.record
  return JSON.stringify([entry.shape, name, description, owner, tags, [...entry.notes]])
}
