// The column that a lookup or an ordered scan goes by, found alike in every warehouse.

import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'

/** The key's place among the columns; BAD_USER_INPUT names those that there are. */
export function keyIndex(key: string, columns: readonly Pick<Column, 'name'>[]): number {
  const index = columns.findIndex(({ name }) => name === key)
  if (index >= 0) return index
  const known = columns.map(({ name }) => name).join(', ')
  throw new AppError('BAD_USER_INPUT', `The query has no column "${key}" to look up by; it has ${known}.`, {
    details: { key },
  })
}
