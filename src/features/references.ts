// References to features: of which views, under which names, and by which columns their entities are found.

import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'
import { suggestNames } from '../values/near-names.ts'
import type { View } from './view-records.ts'

/** As callers write it. */
export interface FeatureReference {
  /** The view's name. */
  view: string
  /** Null takes all that the view has. */
  features: readonly string[] | null
  /** Stands before each feature's name, as it is. */
  prefix: string | null
  /** Where a column of the index key is found under another name; the others are found under their own. */
  keys: readonly { key: string; column: string }[]
}

export interface ResolvedReference {
  view: View
  prefix: string | null
  /** The view's index key, column by column, and where its value is found: in an entity, or a spine. */
  keys: readonly { key: Column; column: string }[]
  /** Each a column of the view, and its name in the answer. */
  features: readonly { column: Column; name: string }[]
}

export interface ResolvingOptions {
  /** Rejects with NOT_FOUND. */
  viewByName(name: string): Promise<View>
  /** What the view's rows hold: its query's columns, or those that its ETL gives. */
  columnsOf(view: View): Promise<readonly Column[]>
  /** Names features `view__feature`. */
  fullNames?: boolean
  /** Names that no feature may have, and whose each is, for people: `a column of the spine`. */
  taken?: ReadonlyMap<string, string>
}

/** At once: each reference is a lookup, or a join, and each feature a column of the answer. */
const most = { references: 500, features: 10_000 }

/**
 * In the references' order, each one's features in the order they were named in, or the view's columns stand in. Rejects
 * with NOT_FOUND for a view that is not there, and with BAD_USER_INPUT for what a view does not have, and for two features
 * of one name, in whatever case, which the message tells apart and says how to resolve.
 * More of them than an answer may have are TOO_LARGE.
 */
export async function resolveReferences(
  references: readonly FeatureReference[],
  { viewByName, columnsOf, fullNames = false, taken = new Map() }: ResolvingOptions,
): Promise<readonly ResolvedReference[]> {
  if (references.length === 0)
    throw new AppError('BAD_USER_INPUT', 'No features are named; name those of one view at least.')
  refuseTooMany(references)
  const resolved: ResolvedReference[] = []
  for (const reference of references) {
    const view = await viewByName(reference.view)
    const { prefix } = reference
    const before = `${prefix ?? ''}${fullNames ? `${view.record.name}__` : ''}`
    const features = chosenOf(reference, view, featuresOf(view, await columnsOf(view)))
    resolved.push({
      view,
      prefix,
      keys: keysOf(reference, view),
      features: features.map((column) => ({ column, name: `${before}${column.name}` })),
    })
  }
  refuseCollisions(resolved, taken)
  return resolved
}

function refuseTooMany(references: readonly FeatureReference[]): void {
  const features = references.reduce((sum, each) => sum + (each.features?.length ?? 0), 0)
  if (references.length <= most.references && features <= most.features) return
  throw new AppError(
    'TOO_LARGE',
    `${references.length} references with ${features} names of features were given; at most ${most.references} with ${most.features} are answered. Ask for them in several requests, or join views that have one key in one query.`,
  )
}

/** What a view's rows tell of an entity: all but its key and its times. */
export function featuresOf(
  {
    key,
    record,
  }: { key: Pick<View['key'], 'names'>; record: Pick<View['record'], 'timestampColumn' | 'createdColumn'> },
  columns: readonly Column[],
): readonly Column[] {
  const others = [...key.names, record.timestampColumn, record.createdColumn].filter((name) => name !== null)
  return columns.filter(({ name }) => !others.includes(name))
}

function chosenOf(
  { features: named }: FeatureReference,
  view: View,
  features: readonly Column[],
): readonly Column[] {
  const what = `The feature view ${view.record.name}`
  const known = features.map(({ name }) => name).join(', ')
  if (named === null) {
    if (features.length > 0) return features
    throw new AppError('BAD_USER_INPUT', `${what} has no features: its columns are its key and its times.`)
  }
  if (named.length === 0)
    throw new AppError(
      'BAD_USER_INPUT',
      `No features of the feature view ${view.record.name} are named; name some of ${known}, or leave them out for all.`,
    )
  const seen = new Set<string>()
  const twice = named.find((name) => seen.size === seen.add(name).size)
  if (twice !== undefined)
    throw new AppError(
      'BAD_USER_INPUT',
      `The feature ${JSON.stringify(twice)} of the feature view ${view.record.name} is named twice in one reference; name it once, or by a second reference with a prefix.`,
    )
  const byName = new Map(features.map((column) => [column.name, column]))
  return named.map((name) => {
    const column = byName.get(name)
    if (column !== undefined) return column
    const isKey = view.key.names.includes(name)
    const fault = isKey
      ? `finds its entities by ${name}, which is no feature`
      : `has no feature ${JSON.stringify(name)}`
    const names = features.map((each) => each.name)
    const near = isKey ? '' : suggestNames(name, names)
    throw new AppError(
      'BAD_USER_INPUT',
      `${what} ${fault}${near ? `${near} Its` : '; its'} features are ${known}.`,
      {
        details: { features: names },
      },
    )
  })
}

function keysOf({ keys }: FeatureReference, { key, record }: View): ResolvedReference['keys'] {
  for (const [i, { key: name }] of keys.entries()) {
    const isTwice = keys.findIndex((each) => each.key === name) !== i
    if (key.names.includes(name) && !isTwice) continue
    const fault = isTwice ? 'is mapped twice' : 'is none of its index key'
    throw new AppError(
      'BAD_USER_INPUT',
      `The key ${JSON.stringify(name)} of the feature view ${record.name} ${fault}; its index key is ${key.label}.`,
    )
  }
  return key.columns.map((column) => {
    const mapped = keys.find((each) => each.key === column.name)
    return { key: column, column: mapped?.column ?? column.name }
  })
}

function refuseCollisions(resolved: readonly ResolvedReference[], taken: ReadonlyMap<string, string>): void {
  /** By their names in small letters: whose each is. */
  const holders = new Map<string, string>()
  const hold = (name: string, whose: string): string | undefined => {
    const folded = name.toLowerCase()
    const holder = holders.get(folded)
    if (holder === undefined) holders.set(folded, whose)
    return holder
  }
  for (const [name, whose] of taken) hold(name, whose)
  for (const { keys, view } of resolved)
    for (const { column } of keys) hold(column, `the index key of the feature view ${view.record.name}`)
  for (const { view, features } of resolved)
    for (const { column, name } of features) {
      const whose = `the feature ${column.name} of the feature view ${view.record.name}`
      const holder = hold(name, whose)
      if (holder !== undefined) throw collision(name, holder, whose)
    }
}

function collision(name: string, first: string, second: string): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    `Two columns would be named ${JSON.stringify(name)}: ${first}, and ${second}. Give a reference a prefix, ask for fullNames (view__feature), or leave one of them out.`,
    { details: { name, columns: [first, second] } },
  )
}
