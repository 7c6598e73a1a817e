// Result objects into rows of cells: their columns and what those have shown.

import type { Encoded } from './encoded.ts'
import { limits } from './limits.ts'
import {
  beginOutput,
  className,
  emptyShape,
  isPlain,
  kind,
  observeCell,
  type Shape,
  ValueError,
} from './shape.ts'
import { findAccessor, isProxy } from './traps.ts'

/** What a batch's results are. */
export interface Header {
  keys: string[]
  shapes: Shape[]
  count: number
}

/** Results of a group. Rows may be shorter than `keys`: what is missing is null. */
export interface Output extends Header {
  rows: Encoded[][]
}

/** What a script returned cannot be rows. */
export class ResultError extends Error {
  readonly column: string | undefined
  constructor(message: string, column?: string) {
    super(message)
    this.column = column
  }
}

/** A value's kind, in an error's words. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value === 'undefined' ? 'nothing' : `a ${typeof value}`
  if (isProxy(value)) return 'a Proxy'
  return Array.isArray(value) ? 'an array' : isPlain(value) ? 'an object' : `a ${className(value)}`
}

/** Whether it is a plain object, which can be read without running the script's code. Throws ResultError for a getter, naming it. */
export function isRow(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || isProxy(value)) return false
  if (Array.isArray(value) || !isPlain(value)) return false
  const accessor = findAccessor(value)
  if (accessor === undefined) return true
  throw new ResultError(
    `column ${JSON.stringify(accessor)}: the value is told by a getter or setter, not plain data`,
    accessor,
  )
}

/** An array's elements; null for what is no array of plain data. */
export function listOf(value: unknown): readonly unknown[] | null {
  if (typeof value !== 'object' || value === null || isProxy(value) || !Array.isArray(value)) return null
  if (findAccessor(value) !== undefined) return null
  if (Object.getPrototypeOf(value) === Array.prototype) return value
  const { length } = value
  return Array.from({ length }, (_, i): unknown => (Object.hasOwn(value, i) ? value[i] : undefined))
}

export function tooManyColumns(): ResultError {
  return new ResultError(`gave more than ${limits.columns} columns`)
}

/** Notes a cell in its column's shape and encodes it. Throws ResultError. */
export function shapeCell(value: unknown, shape: Shape, name: string): Encoded {
  try {
    return observeCell(value, shape)
  } catch (error) {
    if (!(error instanceof ValueError)) throw error
    throw new ResultError(
      `column ${JSON.stringify(name)}: the value${error.path && ` at ${error.path}`} ${error.message}`,
      name,
    )
  }
}

/** Takes result objects one by one; columns are the union of their keys, in the order in which they were first seen. */
export function createOutput() {
  const keys: string[] = []
  const shapes: Shape[] = []
  const counts: number[] = []
  const indexes = new Map<string, number>()
  const rows: Encoded[][] = []
  beginOutput()

  function columnOf(key: string): number {
    const name = key.toWellFormed()
    const known = indexes.get(name)
    if (known !== undefined) return known
    if (keys.length === limits.columns) throw tooManyColumns()
    indexes.set(name, keys.length)
    keys.push(name)
    shapes.push(emptyShape())
    counts.push(0)
    return keys.length - 1
  }

  function cell(value: unknown, column: number): Encoded {
    counts[column] = (counts[column] ?? 0) + 1
    return shapeCell(value, shapes[column] ?? emptyShape(), keys[column] ?? '')
  }

  function add(object: object): void {
    const names = Object.keys(object)
    const cells: Encoded[] = []
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string
      const column = keys[i] === name ? i : columnOf(name)
      while (cells.length <= column) cells.push(null)
      cells[column] = cell((object as Record<string, unknown>)[name], column)
    }
    rows.push(cells)
  }

  function finish(): Output {
    shapes.forEach((shape, i) => {
      if ((counts[i] ?? 0) < rows.length) shape.kinds |= kind.NULL
    })
    return { keys, shapes, count: rows.length, rows }
  }
  return { add, finish }
}
