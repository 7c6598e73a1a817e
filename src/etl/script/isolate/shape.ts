// What kinds of values a column has shown: noted value by value inside the isolate, merged batch by batch outside.

import { blankCells } from './blank-cells.ts'
import { type Encoded, encodeNumber, toHex } from './encoded.ts'
import { limits } from './limits.ts'
import { isRowPrototype } from './row-makers.ts'
import { findAccessor, isProxy } from './traps.ts'

/** One bit for each kind. INTEGER: safe. LARGE: a bigint that only 64 bits hold. HUGE: beyond 64 bits. */
export const kind = {
  NULL: 1,
  BOOLEAN: 2,
  INTEGER: 4,
  LARGE: 8,
  HUGE: 16,
  FLOAT: 32,
  STRING: 64,
  DATE: 128,
  BYTES: 256,
  LIST: 512,
  OBJECT: 1024,
} as const

export interface Shape {
  kinds: number
  /** Of a list's elements. */
  element: Shape | null
  /** Of an object's fields; null once two objects of the column had other names or another order. */
  fields: { names: string[]; shapes: Shape[] } | null
}

/** A value that no column can hold. `path` leads to it from the column: `[2].name`. */
export class ValueError extends Error {
  readonly path: string
  constructor(message: string, path: string) {
    super(message)
    this.path = path
  }
}

// Taken before a script runs: what an object says of itself is never asked.
const { apply } = Reflect
const { getPrototypeOf, hasOwn } = Object
const { getTime } = Date.prototype
const typedArray = getPrototypeOf(Uint8Array.prototype)
const tagOf = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag)?.get

const largest = 10n ** BigInt(limits.digits)
/** How many more fields of STRUCTs the output may have. */
let fieldsLeft: number = limits.fields
/** How many more values the cell may hold. */
let valuesLeft: number = limits.values

export function emptyShape(): Shape {
  return { kinds: 0, element: null, fields: null }
}

/** To be called before an output's first cell. */
export function beginOutput(): void {
  fieldsLeft = limits.fields
}

/** Notes a cell in its column's shape and encodes it. Throws ValueError. */
export function observeCell(value: unknown, shape: Shape): Encoded {
  valuesLeft = limits.values
  return observe(value, shape, 0)
}

/** Strings are made well-formed, as UTF-8 needs them. */
function observe(value: unknown, shape: Shape, depth: number): Encoded {
  switch (typeof value) {
    case 'string':
      shape.kinds |= kind.STRING
      return value.isWellFormed() ? value : value.toWellFormed()
    case 'number':
      if (Number.isSafeInteger(value)) {
        shape.kinds |= kind.INTEGER
        return encodeNumber(value)
      }
      shape.kinds |= kind.FLOAT
      return encodeNumber(value)
    case 'boolean':
      shape.kinds |= kind.BOOLEAN
      return value
    case 'undefined':
      shape.kinds |= kind.NULL
      return null
    case 'bigint':
      return observeBigint(value, shape)
    case 'object':
      if (value === null) {
        shape.kinds |= kind.NULL
        return null
      }
      return observeObject(value, shape, depth)
    default:
      throw new ValueError(`is a ${typeof value}, which no column can hold`, '')
  }
}

function observeBigint(value: bigint, shape: Shape): Encoded {
  if (value >= largest || value <= -largest)
    throw new ValueError(`is an integer of more than ${limits.digits} digits`, '')
  const number = Number(value)
  if (Number.isSafeInteger(number)) {
    shape.kinds |= kind.INTEGER
    return number
  }
  shape.kinds |= BigInt.asIntN(64, value) === value ? kind.LARGE : kind.HUGE
  return { n: String(value) }
}

function observeObject(value: object, shape: Shape, depth: number): Encoded {
  if (depth >= limits.depth)
    throw new ValueError(`is nested deeper than ${limits.depth} levels, or holds itself`, '')
  if (isProxy(value)) throw new ValueError('is a Proxy, not plain data', '')
  const isList = Array.isArray(value)
  if (!isList && !isPlain(value)) return observeExotic(value, shape)
  const names = isList ? null : Object.keys(value)
  spendValues(names?.length ?? (value as unknown[]).length)
  const accessor = findAccessor(value)
  if (accessor !== undefined)
    throw new ValueError(
      'is told by a getter or setter, not plain data',
      isList ? `[${accessor}]` : `.${accessor}`,
    )
  return names === null
    ? observeList(value as readonly unknown[], shape, depth)
    : observeFields(value, names, shape, depth)
}

function spendValues(count: number): void {
  valuesLeft -= count
  if (valuesLeft < 0) throw new ValueError(`brings its cell to more than ${limits.values} values`, '')
}

/** By what it is made of, whatever class it says it has. */
function observeExotic(value: object, shape: Shape): Encoded {
  if (tagOf !== undefined && apply(tagOf, value, []) === 'Uint8Array') {
    shape.kinds |= kind.BYTES
    return { b: toHex(value as Uint8Array) }
  }
  const time = timeOf(value)
  if (time === null) throw new ValueError(`is a ${className(value)}, not plain data`, '')
  if (Number.isNaN(time)) throw new ValueError('is an invalid Date', '')
  shape.kinds |= kind.DATE
  return { t: time }
}

function timeOf(value: object): number | null {
  try {
    return apply(getTime, value, [])
  } catch {
    return null
  }
}

function observeList(list: readonly unknown[], shape: Shape, depth: number): Encoded {
  shape.kinds |= kind.LIST
  shape.element ??= emptyShape()
  const cells = blankCells(list.length) as Encoded[]
  // Where there is no element, one of its prototype's would be read.
  const isOrdinary = getPrototypeOf(list) === Array.prototype
  for (let i = 0; i < cells.length; i++) {
    const value = isOrdinary || hasOwn(list, i) ? list[i] : null
    cells[i] = observeAt(value, shape.element, depth, `[${i}]`)
  }
  return cells
}

function spendFields(count: number): boolean {
  if (count > fieldsLeft) return false
  fieldsLeft -= count
  return true
}

function observeFields(value: object, names: string[], shape: Shape, depth: number): Encoded {
  if ((shape.kinds & kind.OBJECT) === 0)
    shape.fields = spendFields(names.length) ? { names, shapes: names.map(emptyShape) } : null
  shape.kinds |= kind.OBJECT
  if (shape.fields !== null && !sameNames(shape.fields.names, names)) shape.fields = null
  const object: Record<string, Encoded> = Object.create(null)
  names.forEach((name, i) => {
    const field = shape.fields?.shapes[i] ?? emptyShape()
    const own = (value as Record<string, unknown>)[name]
    object[name.toWellFormed()] = observeAt(own, field, depth, `.${name}`)
  })
  return { o: object }
}

function observeAt(value: unknown, shape: Shape, depth: number, step: string): Encoded {
  try {
    return observe(value, shape, depth + 1)
  } catch (error) {
    if (error instanceof ValueError) throw new ValueError(error.message, step + error.path)
    throw error
  }
}

export function isPlain(value: object): boolean {
  const prototype = getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || isRowPrototype(prototype)
}

export function className(value: object): string {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? name : 'object of a class'
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i])
}

/** Takes what `from` has seen into `into`. */
export function mergeShape(into: Shape, from: Shape): void {
  const bothObjects = (into.kinds & kind.OBJECT) !== 0 && (from.kinds & kind.OBJECT) !== 0
  if (bothObjects) into.fields = mergeFields(into.fields, from.fields)
  else if ((from.kinds & kind.OBJECT) !== 0) into.fields = from.fields
  if (from.element !== null) {
    if (into.element === null) into.element = from.element
    else mergeShape(into.element, from.element)
  }
  into.kinds |= from.kinds
}

function mergeFields(a: Shape['fields'], b: Shape['fields']): Shape['fields'] {
  if (a === null || b === null || !sameNames(a.names, b.names)) return null
  a.shapes.forEach((shape, i) => {
    const other = b.shapes[i]
    if (other !== undefined) mergeShape(shape, other)
  })
  return a
}
