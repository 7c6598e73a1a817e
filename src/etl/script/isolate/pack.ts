// Result objects by column, as they leave the isolate: numbers in one piece of memory, texts joined, all else as JSON.

import { blankCells } from './blank-cells.ts'
import { type Header, shapeCell, tooManyColumns } from './collect.ts'
import { type Encoded, encodeNumber } from './encoded.ts'
import { limits } from './limits.ts'
import { beginOutput, emptyShape, kind, type Shape } from './shape.ts'

/**
 * One column of results.
 * - numbers: doubles at byte `at`; booleans: a byte each. Where `nulls` is not null, a byte for each row there says 1 for a null.
 * - texts: at `at` the length of each, -1 for a null. cells: the JSON text of an array of `Encoded`s.
 */
export type OutputColumn =
  | { kind: 'numbers' | 'booleans'; at: number; nulls: number | null }
  | { kind: 'texts'; at: number }
  | { kind: 'cells' }

export interface OutputHead extends Header {
  columns: OutputColumn[]
}

/** The texts are those of columns of texts and cells, in order. */
export type OutputBatch = [head: OutputHead, data: ArrayBuffer, ...texts: string[]]

const numeric = kind.INTEGER | kind.FLOAT
const cellBytes = 8

/** Puts the row's value into each column; `odd` gives what stands for a value that is not told as it is. */
type Take = (
  object: object,
  cells: unknown[][],
  row: number,
  odd: (value: unknown, column: number) => unknown,
) => void

/** As it was before lockdown. */
const NativeFunction = Function
const takers = new Map<string, Take>()

/** A function that takes objects of just these keys apart. Made by code: each of its places then knows one hidden class. */
function takerOf(keys: readonly string[]): Take {
  const text = JSON.stringify(keys)
  const known = takers.get(text)
  if (known !== undefined) return known
  const steps = keys.map(
    (key, i) => `v = o[${JSON.stringify(key)}]; t = typeof v
c[${i}][r] = t === "number" || t === "string" || t === "boolean" || v === null ? v : odd(v, ${i})`,
  )
  const take: Take = new NativeFunction(
    `"use strict"; return (o, c, r, odd) => { let v, t\n${steps.join('\n')} }`,
  )()
  if (takers.size >= 100) takers.clear()
  takers.set(text, take)
  return take
}

/** As `createOutput`, but by column, for at most so many rows. Its numbers are as the script gave them: -0, NaN and infinities too. */
export function createColumns(maxRows: number) {
  const keys: string[] = []
  const shapes: Shape[] = []
  const cells: unknown[][] = []
  const indexes = new Map<string, number>()
  let take: Take | null = null
  let count = 0
  beginOutput()

  function columnOf(key: string): number {
    const name = key.toWellFormed()
    const known = indexes.get(name)
    if (known !== undefined) return known
    if (keys.length === limits.columns) throw tooManyColumns()
    indexes.set(name, keys.length)
    keys.push(name)
    shapes.push(emptyShape())
    cells.push(blankCells(maxRows))
    take = null
    return keys.length - 1
  }

  function odd(value: unknown, column: number): unknown {
    return shapeCell(value, shapes[column] ?? emptyShape(), keys[column] ?? '')
  }

  function cell(value: unknown, column: number): unknown {
    const isPlain = value === null || plainTypes.has(typeof value)
    return isPlain ? value : odd(value, column)
  }

  function isUsual(names: readonly string[]): boolean {
    if (names.length !== keys.length) return false
    for (let i = 0; i < names.length; i++) if (names[i] !== keys[i]) return false
    return true
  }

  function add(object: object): void {
    const names = Object.keys(object)
    if (isUsual(names)) {
      take ??= takerOf(keys)
      take(object, cells, count, odd)
    } else addUnusual(object, names)
    count++
  }

  function addUnusual(object: object, names: readonly string[]): void {
    for (const name of names) {
      const column = columnOf(name)
      const own = cells[column] as unknown[]
      own[count] = cell((object as Record<string, unknown>)[name], column)
    }
  }

  function finish(): OutputBatch {
    const memory = createMemory(count)
    const texts: string[] = []
    const columns = cells.map((all, i): OutputColumn => {
      const own = all.length === count ? all : all.slice(0, count)
      const shape = shapes[i] ?? emptyShape()
      shape.kinds |= kindsOf(own)
      const kinds = shape.kinds & ~kind.NULL
      if (kinds === kind.STRING) {
        texts.push(joinTexts(own as (string | null)[]))
        return { kind: 'texts', at: memory.addLengths(own as (string | null)[]) }
      }
      const nulls = (shape.kinds & kind.NULL) === 0 ? null : memory.addNulls(own)
      if (kinds === kind.BOOLEAN) return { kind: 'booleans', nulls, at: memory.addBooleans(own) }
      if (kinds !== 0 && (kinds & ~numeric) === 0)
        return { kind: 'numbers', nulls, at: memory.addNumbers(own) }
      texts.push(JSON.stringify(own.map(toCell)))
      return { kind: 'cells' }
    })
    return [{ keys, shapes, count, columns }, memory.finish(), ...texts]
  }
  return { add, finish }
}

const plainTypes: ReadonlySet<string> = new Set(['number', 'string', 'boolean'])

/** Of the values that are told as they are; those of the others are in their column's shape. */
function kindsOf(cells: readonly unknown[]): number {
  let kinds = 0
  for (let row = 0; row < cells.length; row++) {
    const value = cells[row]
    if (typeof value === 'number') kinds |= Number.isSafeInteger(value) ? kind.INTEGER : kind.FLOAT
    else if (typeof value === 'string') kinds |= kind.STRING
    else if (value === null) kinds |= kind.NULL
    else if (typeof value === 'boolean') kinds |= kind.BOOLEAN
  }
  return kinds
}

const surrogate = /[\ud800-\udfff]/

/** All as one; halves of characters are replaced in place first, for two that meet would make a whole one. */
function joinTexts(texts: (string | null)[]): string {
  const joined = texts.join('')
  if (!surrogate.test(joined)) return joined
  for (let row = 0; row < texts.length; row++) texts[row] = texts[row]?.toWellFormed() ?? null
  return texts.join('')
}

function toCell(cell: unknown): Encoded {
  if (typeof cell === 'number') return encodeNumber(cell)
  return typeof cell === 'string' ? cell.toWellFormed() : (cell as Encoded)
}

/** Grows by whole arrays, each at a multiple of eight bytes. */
function createMemory(count: number) {
  const parts: Uint8Array[] = []
  let size = 0

  function add(part: Uint8Array): number {
    const at = size
    parts.push(part)
    size += Math.ceil(part.length / cellBytes) * cellBytes
    return at
  }

  return {
    addNumbers(cells: readonly unknown[]) {
      const numbers = new Float64Array(count)
      for (let row = 0; row < count; row++) numbers[row] = (cells[row] as number | null) ?? 0
      return add(new Uint8Array(numbers.buffer))
    },
    addLengths(cells: readonly (string | null)[]) {
      const lengths = new Int32Array(count)
      for (let row = 0; row < count; row++) lengths[row] = cells[row]?.length ?? -1
      return add(new Uint8Array(lengths.buffer))
    },
    addBooleans(cells: readonly unknown[]) {
      const bytes = new Uint8Array(count)
      for (let row = 0; row < count; row++) bytes[row] = cells[row] === true ? 1 : 0
      return add(bytes)
    },
    addNulls(cells: readonly unknown[]) {
      const bytes = new Uint8Array(count)
      for (let row = 0; row < count; row++) bytes[row] = cells[row] === null ? 1 : 0
      return add(bytes)
    },
    finish(): ArrayBuffer {
      const data = new Uint8Array(size)
      let end = 0
      for (const part of parts) {
        data.set(part, end)
        end += Math.ceil(part.length / cellBytes) * cellBytes
      }
      return data.buffer
    },
  }
}
