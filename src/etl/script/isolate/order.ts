// The one order in which a script is given a frame's rows, in training as in serving: by the columns, one after the other,
// by value. Rows that are equal in it cannot be told apart.

import { type Compare, compareBy, type Ordering } from '../../../values/value-order.ts'
import { keyText, type RowObject } from './row-makers.ts'

/** As it was before lockdown. */
const NativeFunction = Function
const comparers = new Map<string, Compare<RowObject>>()

/** For the columns `[[name, …, ordering], …]`. Made by code, for each column's place then knows one hidden class. */
export function comparerOf(spec: string): Compare<RowObject> {
  const known = comparers.get(spec)
  if (known !== undefined) return known
  const columns: readonly (readonly [string, boolean, Ordering])[] = JSON.parse(spec)
  const steps = columns.map(([name, , ordering]) => {
    const key = keyText(name)
    return `x = a[${key}]; y = b[${key}]; if (x !== y && (r = by.${ordering}(x, y)) !== 0) return r`
  })
  const body = `"use strict"; return (a, b) => { let x, y, r; ${steps.join('\n')}; return 0 }`
  const compare: Compare<RowObject> = new NativeFunction('by', body)(compareBy)
  if (comparers.size >= 100) comparers.clear()
  comparers.set(spec, compare)
  return compare
}
