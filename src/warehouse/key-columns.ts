// The columns that a lookup or an ordered scan goes by, found alike in every warehouse.

import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'

/** The key's places among the columns; BAD_USER_INPUT names those that there are. */
export function keyPlaces(key: readonly string[], columns: readonly Pick<Column, 'name'>[]): number[] {
  if (key.length === 0) throw new AppError('BAD_USER_INPUT', 'A key has at least one column.')
  return key.map((name) => {
    const index = columns.findIndex((column) => column.name === name)
    if (index >= 0) return index
    const known = columns.map((column) => column.name).join(', ')
    throw new AppError(
      'BAD_USER_INPUT',
      `The query has no column "${name}" to look up by; it has ${known}.`,
      {
        details: { key: name },
      },
    )
  })
}
