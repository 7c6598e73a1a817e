// What a key's columns are compared by, and how values of them are written.

import { AppError } from '../../errors.ts'
import { type KeyWriter, keyPlaces, writeKeyValue } from '../key-columns.ts'
import { nameInSelect, type TrinoStatement } from './plan.ts'

/** A column of the key: what it is compared by, and how values of it are written. */
export interface KeyTerm {
  expression: string
  isFloat: boolean
  /** NaN as null: it is not equal to itself. */
  write: KeyWriter<string | null>
}

/** A type that cannot be a key is refused. */
export function keyTermsOf(plan: TrinoStatement, key: readonly string[]): KeyTerm[] {
  return keyPlaces(key, plan.columns).map((place, c) => {
    const name = key[c] ?? ''
    const { literal, key: expression, type } = plan.carriers[place] ?? {}
    if (literal == null || expression === undefined)
      throw new AppError(
        'BAD_USER_INPUT',
        `Column "${name}" is of type ${type}, by which nothing can be looked up.`,
      )
    return {
      expression: expression(nameInSelect(plan, { name })),
      isFloat: type === 'FLOAT64',
      write(value) {
        const text = value === undefined ? null : writeKeyValue(name, () => literal(value))
        if (text === null) return undefined
        return Number.isNaN(value) ? null : text
      },
    }
  })
}
