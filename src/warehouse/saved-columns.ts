// The columns that a statement was saved with, held against those that it gives now.

import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'

/**
 * Where the saved columns stand among those of now; null when they are all of them and in this order. Throws
 * SCHEMA_MISMATCH, which lists each difference, when one is gone or of another type. Columns that came to a table since,
 * and their order there, are no difference: what was saved is given as it was saved.
 */
export function placesOf(saved: readonly Column[], now: readonly Column[]): readonly number[] | null {
  const differences: string[] = []
  const places = saved.map((column) => {
    const place = now.findIndex(({ name }) => name === column.name)
    const found = now[place]
    if (found === undefined) differences.push(`"${column.name}" (${column.type}) is missing`)
    else if (found.type !== column.type || found.storage !== column.storage)
      differences.push(describeTypeChange(column, found))
    return place
  })
  if (differences.length > 0) throw mismatch(differences)
  return places.length === now.length && places.every((place, i) => place === i) ? null : places
}

export function describeTypeChange(earlier: Column, now: Column): string {
  const [was, is] = earlier.type === now.type ? [earlier.storage, now.storage] : [earlier.type, now.type]
  return `"${earlier.name}" was ${was} and is ${is}`
}

/** The items at these places; all of them where the places are null. */
export function pick<T>(items: readonly T[], places: readonly number[] | null): readonly T[] {
  if (places === null) return items
  return places.map((place) => items[place]).filter((item) => item !== undefined)
}

function mismatch(differences: readonly string[]): AppError {
  return new AppError(
    'SCHEMA_MISMATCH',
    `The tables have changed since the query was saved, and it no longer gives the columns that it was saved with: ${differences.join('; ')}. Make them as they were, by a CAST or AS in a database view, say; or save the query under another name, with the columns that it gives now.`,
    { details: { differences: [...differences] } },
  )
}
