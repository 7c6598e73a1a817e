// GraphQL names of what the catalog calls as people like: chosen once, so that what comes later renames nothing.

import type { Column } from '../values/columns.ts'
import type { View } from './view-records.ts'

const valid = /^[_A-Za-z][_0-9A-Za-z]*$/

/** `driver_stats` as `driverStats`; null for a name that would not turn back into itself. */
function camelCaseOf(name: string): string | null {
  if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)) return null
  const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) === name ? camel : null
}

/** As it is, what GraphQL does not allow as `_`; null where nothing would be left, or a name that GraphQL keeps to itself. */
function plainNameOf(name: string): string | null {
  const plain = name.replace(/[^_0-9A-Za-z]+/g, '_').replace(/^(?=\d)/, '_')
  return valid.test(plain) && /[0-9A-Za-z]/.test(plain) && !plain.startsWith('__') ? plain : null
}

/** The names that an entry may have, the best first. */
export function candidateNames(name: string): readonly string[] {
  return [camelCaseOf(name), plainNameOf(name)].filter((candidate) => candidate !== null)
}

/** The name of the type beside a field's. Different fields have different ones, but for the case of their first letter. */
export function typeNameOf(graphqlName: string): string {
  return graphqlName.charAt(0).toUpperCase() + graphqlName.slice(1)
}

/** The fields and types that an entry of this name is made of; two entries that share one of them exclude each other. */
export function namesTakenBy(graphqlName: string): readonly string[] {
  const type = typeNameOf(graphqlName)
  return [`.${graphqlName}`, `.${graphqlName}Many`, type, `${type}Key`, `${type}Answer`]
}

/** Null where all that it may have is taken: then another name in the catalog is the cure. */
export function chooseName(name: string, isTaken: (name: string) => boolean): string | null {
  return candidateNames(name).find((candidate) => !namesTakenBy(candidate).some(isTaken)) ?? null
}

/** Of a view's columns, or a struct's fields, each by its own; null for one that can have none. */
export function memberNames(names: readonly string[]): ReadonlyMap<string, string | null> {
  const plainNames = new Set(names.map(plainNameOf))
  const given = new Map<string, string | null>()
  const taken = new Set<string>()
  for (const name of names) {
    // Camel case gives way to a column that is named so.
    const chosen = candidateNames(name).find(
      (candidate) => !taken.has(candidate) && (candidate === plainNameOf(name) || !plainNames.has(candidate)),
    )
    given.set(name, chosen ?? null)
    if (chosen !== undefined) taken.add(chosen)
  }
  return given
}

/** Of a view's rows: its keys and all else but its times. */
export function namesOfRows(
  { key, record }: Pick<View, 'key' | 'record'>,
  columns: readonly Pick<Column, 'name'>[],
): ReadonlyMap<string, string | null> {
  const shown = columns.filter(({ name }) => name !== record.timestampColumn && name !== record.createdColumn)
  return memberNames([...new Set([...key.names, ...shown.map(({ name }) => name)])])
}
