// Result objects by column, as they leave the isolate: numbers in one piece of memory, texts joined, all else as JSON.

import { type Header, shapeCell } from './collect.ts'
import { emptyShape, kind, type Shape } from './shape.ts'
import { toWire, type Wire } from './wire.ts'

/**
 * One column of results.
 * - numbers: doubles at byte `at`; booleans: a byte each. Where `nulls` is not null, a byte for each row there says 1 for a null.
 * - texts: at `at` the length of each, -1 for a null. cells: the JSON text of an array of `Wire`s.
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

/** As `createOutput`, but by column. Its numbers are as the script gave them: -0, NaN and infinities too. */
export function createColumns() {
  const keys: string[] = []
  const shapes: Shape[] = []
  const cells: unknown[][] = []
  const indexes = new Map<string, number>()
  let count = 0

  function columnOf(key: string): number {
    const name = key.toWellFormed()
    const known = indexes.get(name)
    if (known !== undefined) return known
    indexes.set(name, keys.length)
    keys.push(name)
    shapes.push(emptyShape())
    cells.push([])
    return keys.length - 1
  }

  /** The value's own form where a column of its kind needs no other. */
  function cell(value: unknown, column: number): unknown {
    const shape = shapes[column] ?? emptyShape()
    if (typeof value === 'number') {
      shape.kinds |= Number.isSafeInteger(value) ? kind.INTEGER : kind.FLOAT
      return value
    }
    return shapeCell(value, shape, keys[column] ?? '')
  }

  function add(object: object): void {
    const names = Object.keys(object)
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string
      const column = keys[i] === name ? i : columnOf(name)
      const own = cells[column] as unknown[]
      while (own.length < count) own.push(null)
      own[count] = cell((object as Record<string, unknown>)[name], column)
    }
    count++
  }

  function finish(): OutputBatch {
    const memory = createMemory(count)
    const texts: string[] = []
    const columns = cells.map((own, i): OutputColumn => {
      const shape = shapes[i] ?? emptyShape()
      if (own.length < count || own.includes(null)) shape.kinds |= kind.NULL
      while (own.length < count) own.push(null)
      const kinds = shape.kinds & ~kind.NULL
      if (kinds === kind.STRING) {
        texts.push(own.join(''))
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

function toCell(cell: unknown): Wire {
  return typeof cell === 'number' ? toWire(cell) : (cell as Wire)
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
