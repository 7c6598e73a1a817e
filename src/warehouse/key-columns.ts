// The columns that a lookup or an ordered scan goes by, and the values of keys, alike in every warehouse.

import { ValueMismatch } from '../duckdb/column-types.ts'
import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'
import type { KeyValues } from '../values/entity-key.ts'

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

/** BAD_USER_INPUT names the column where the value is none of its type. */
export function writeKeyValue<Written>(name: string, write: () => Written): Written {
  try {
    return write()
  } catch (error) {
    if (!(error instanceof ValueMismatch)) throw error
    const message = `Column "${name}": ${error.message}.`
    throw new AppError('BAD_USER_INPUT', message, { cause: error, details: { key: name } })
  }
}

/** How the values of a key's column are written; undefined for one that no row can have. */
export type KeyWriter<Written extends string | null> = (
  value: KeyValues[number] | undefined,
) => Written | undefined

/** Keys as they are written, each once, without those that no row can have. */
export function writeKeys<Written extends string | null>(
  writers: readonly KeyWriter<Written>[],
  values: readonly KeyValues[],
): (readonly Written[])[] {
  const keys = new Map<string, readonly Written[]>()
  for (const key of values) {
    const written = writers.map((write, c) => write(key[c]))
    if (isWhole(written)) keys.set(JSON.stringify(written), written)
  }
  return [...keys.values()]
}

function isWhole<Written>(key: readonly (Written | undefined)[]): key is readonly Written[] {
  return !key.includes(undefined)
}

/** What stands behind a key in the order of its columns, by whether a column's value is the key's, and whether it is behind it. */
export function comesAfter(columns: readonly { isEqual: string; isBehind: string }[]): string {
  const behind = columns.map(({ isBehind }, c) => {
    const before = columns.slice(0, c).map(({ isEqual }) => isEqual)
    return [...before, isBehind].join(' AND ')
  })
  return behind.length === 1 ? behind.join() : `(${behind.map((one) => `(${one})`).join(' OR ')})`
}
