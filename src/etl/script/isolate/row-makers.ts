// Rows as a script is given them, made by code, so that every row of one shape has one hidden class.

import { decodeValue, type Encoded } from './encoded.ts'

export type RowObject = Record<string, unknown>
export type MakeRow = (cells: readonly Encoded[]) => RowObject
export type MakeFromColumns = (columns: readonly (readonly unknown[])[], row: number) => RowObject

/** As it was before lockdown. */
const NativeFunction = Function
const makers = new Map<string, MakeRow>()
const columnMakers = new Map<string, MakeFromColumns>()

/** A function from columns and a row's number to a row object, for the names `["a", …]`. */
export function columnMakerOf(names: string): MakeFromColumns {
  const known = columnMakers.get(names)
  if (known !== undefined) return known
  const fields = (JSON.parse(names) as string[]).map((name, i) => `${keyText(name)}: c[${i}][i]`)
  const make: MakeFromColumns = new NativeFunction(
    `"use strict"; return (c, i) => ({ ${fields.join(', ')} })`,
  )()
  if (columnMakers.size >= 100) columnMakers.clear()
  columnMakers.set(names, make)
  return make
}

export function keyText(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : JSON.stringify(name)
}

/** A function from cells to a row object for `[[name, mayBeTagged], …]`. */
export function makerOf(spec: string): MakeRow {
  const known = makers.get(spec)
  if (known !== undefined) return known
  const columns: readonly (readonly [string, boolean])[] = JSON.parse(spec)
  const fields = columns.map(([name, tagged], i) => {
    const key = keyText(name)
    return tagged ? `${key}: typeof c[${i}] === "object" ? f(c[${i}]) : c[${i}]` : `${key}: c[${i}]`
  })
  const make: MakeRow = new NativeFunction('f', `"use strict"; return (c) => ({ ${fields.join(', ')} })`)(
    decodeValue,
  )
  if (makers.size >= 100) makers.clear()
  makers.set(spec, make)
  return make
}
