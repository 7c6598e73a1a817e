// What kinds of values a column has shown: noted value by value inside the isolate, merged batch by batch outside.

import type { Wire } from './wire.ts'
import { toHex } from './wire.ts'

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

const maxDepth = 64

export function emptyShape(): Shape {
  return { kinds: 0, element: null, fields: null }
}

/** Notes a value in its column's shape and gives its wire form. Strings are made well-formed, as UTF-8 needs them. */
export function observe(value: unknown, shape: Shape, depth = 0): Wire {
  switch (typeof value) {
    case 'string':
      shape.kinds |= kind.STRING
      return value.isWellFormed() ? value : value.toWellFormed()
    case 'number':
      if (Number.isSafeInteger(value)) {
        shape.kinds |= kind.INTEGER
        return Object.is(value, -0) ? { f: '-0' } : value
      }
      shape.kinds |= kind.FLOAT
      return Number.isFinite(value) ? value : { f: String(value) }
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

function observeBigint(value: bigint, shape: Shape): Wire {
  const number = Number(value)
  if (Number.isSafeInteger(number)) {
    shape.kinds |= kind.INTEGER
    return number
  }
  shape.kinds |= BigInt.asIntN(64, value) === value ? kind.LARGE : kind.HUGE
  return { n: String(value) }
}

function observeObject(value: object, shape: Shape, depth: number): Wire {
  if (depth >= maxDepth) throw new ValueError(`is nested deeper than ${maxDepth} levels, or holds itself`, '')
  if (Array.isArray(value)) return observeList(value, shape, depth)
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new ValueError('is an invalid Date', '')
    shape.kinds |= kind.DATE
    return { t: value.getTime() }
  }
  if (value instanceof Uint8Array) {
    shape.kinds |= kind.BYTES
    return { b: toHex(value) }
  }
  if (!isPlain(value)) throw new ValueError(`is a ${className(value)}, not plain data`, '')
  return observeFields(value, shape, depth)
}

function observeList(list: readonly unknown[], shape: Shape, depth: number): Wire {
  shape.kinds |= kind.LIST
  shape.element ??= emptyShape()
  const cells: Wire[] = []
  for (let i = 0; i < list.length; i++) cells.push(observeAt(list[i], shape.element, depth, `[${i}]`))
  return cells
}

function observeFields(value: object, shape: Shape, depth: number): Wire {
  const names = Object.keys(value)
  if ((shape.kinds & kind.OBJECT) === 0) shape.fields = { names, shapes: names.map(emptyShape) }
  shape.kinds |= kind.OBJECT
  if (shape.fields !== null && !sameNames(shape.fields.names, names)) shape.fields = null
  const object: Record<string, Wire> = Object.create(null)
  names.forEach((name, i) => {
    const field = shape.fields?.shapes[i] ?? emptyShape()
    object[name.toWellFormed()] = observeAt(
      (value as Record<string, unknown>)[name],
      field,
      depth,
      `.${name}`,
    )
  })
  return { o: object }
}

function observeAt(value: unknown, shape: Shape, depth: number, step: string): Wire {
  try {
    return observe(value, shape, depth + 1)
  } catch (error) {
    if (error instanceof ValueError) throw new ValueError(error.message, step + error.path)
    throw error
  }
}

export function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
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
