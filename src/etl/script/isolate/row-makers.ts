// Rows as a script is given them, made by code, so that every row of one shape has one hidden class. To read a column that
// the input does not have is an error: what a row has not itself is asked of a Proxy among its prototypes.

import { decodeValue, type Encoded } from './encoded.ts'

export type RowObject = Record<string, unknown>
export type MakeRow = (cells: readonly Encoded[]) => RowObject
export type MakeFromColumns = (columns: readonly (readonly unknown[])[], row: number) => RowObject

/** As they were before lockdown. */
const NativeFunction = Function
const NativeProxy = Proxy
const NativeReferenceError = ReferenceError
const { create, freeze, setPrototypeOf } = Object
const { get } = Reflect

const makers = new Map<string, MakeRow>()
const columnMakers = new Map<string, MakeFromColumns>()
const prototypes = new WeakSet<object>()
const unknownColumns = new WeakSet<object>()

/** Of names in a message. */
const maxCharacters = 1_500

/** Whether a row, as a script is given it, has this prototype: it is as plain as any object. */
export function isRowPrototype(prototype: object): boolean {
  return prototypes.has(prototype)
}

export function isUnknownColumn(error: object): boolean {
  return unknownColumns.has(error)
}

/** A function from columns and a row's number to a row object, for the names `["a", …]`. */
export function columnMakerOf(names: string): MakeFromColumns {
  const known = columnMakers.get(names)
  if (known !== undefined) return known
  const columns: readonly string[] = JSON.parse(names)
  const fields = columns.map((name, i) => `[${JSON.stringify(name)}] = c[${i}][i]`)
  const make = makerWith(columns, fields) as MakeFromColumns
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
    const key = `[${JSON.stringify(name)}]`
    return tagged ? `${key} = typeof c[${i}] === "object" ? f(c[${i}]) : c[${i}]` : `${key} = c[${i}]`
  })
  const names = columns.map(([name]) => name)
  const make = makerWith(names, fields) as MakeRow
  if (makers.size >= 100) makers.clear()
  makers.set(spec, make)
  return make
}

/**
 * Fields of a class are defined, not assigned, which leaves the prototypes unasked: no form of making a row that has a
 * Proxy behind it costs less, and reading what is there costs nothing more.
 */
function makerWith(names: readonly string[], fields: readonly string[]): (c: never, i: never) => RowObject {
  const [Row, make] = new NativeFunction(
    'f',
    `"use strict"; let c, i; class Row { ${fields.join('; ')} }; return [Row, (columns, row) => { c = columns; i = row; return new Row() }]`,
  )(decodeValue)
  const prototype: object = Row.prototype
  Reflect.deleteProperty(prototype, 'constructor')
  setPrototypeOf(prototype, refusing(names))
  prototypes.add(freeze(prototype))
  return make
}

/** As every object's prototype, but that it has no other properties. `toJSON` is asked for by JSON.stringify. */
function refusing(names: readonly string[]): object {
  const ordinary = freeze(create(Object.prototype))
  return new NativeProxy(ordinary, {
    get(target, key, receiver) {
      if (typeof key === 'symbol' || key in target || key === 'toJSON') return get(target, key, receiver)
      const error = new NativeReferenceError(
        `the input has no column ${JSON.stringify(key)}; ${describeNames(names)}`,
      )
      unknownColumns.add(error)
      throw error
    },
  })
}

function describeNames(names: readonly string[]): string {
  if (names.length === 0) return 'it has none'
  let text = ''
  for (let i = 0; i < names.length; i++) {
    const name = JSON.stringify(names[i])
    if (text.length + name.length > maxCharacters)
      return `its columns are ${text} and ${names.length - i} more`
    text += text === '' ? name : `, ${name}`
  }
  return `its columns are ${text}`
}
