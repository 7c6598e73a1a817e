// The columns of an ETL's output: gathered over a run's batches, or those it had in training, and rows brought into them.

import { AppError } from '../../errors.ts'
import type { Column, Row, Value } from '../../values/columns.ts'
import { failureToError } from '../script/failure.ts'
import { type Header, tooManyColumns } from '../script/isolate/collect.ts'
import type { Encoded } from '../script/isolate/encoded.ts'
import { limits } from '../script/isolate/limits.ts'
import { kind, mergeShape, type Shape } from '../script/isolate/shape.ts'
import { type Conform, createConform, UnfitValueError } from './conform.ts'
import {
  declarableText,
  inferType,
  isName,
  kindNames,
  MixedTypesError,
  type OutputType,
  parseDeclared,
  type TypedColumn,
} from './output-type.ts'

export type DeclaredColumns = ReadonlyMap<string, OutputType>

/** Throws ETL_LOAD_FAILED for a type that is none. */
export function parseDeclaredColumns(
  etl: string,
  columns: readonly (readonly [string, string])[],
): DeclaredColumns {
  const types = new Map<string, OutputType>()
  for (const [name, type] of columns) {
    const parsed = parseDeclared(type)
    if (parsed === null) {
      throw new AppError(
        'ETL_LOAD_FAILED',
        `ETL ${etl} declares column ${JSON.stringify(name)} as ${JSON.stringify(type)}; a type is one of ${declarableText}`,
        { details: { etl, name } },
      )
    }
    types.set(name, parsed)
  }
  return types
}

export interface Gatherer {
  add(header: Header): void
  /** The names that were seen. */
  names(): string[]
  /**
   * In the order in which they were first seen; declared ones that never were come last. `read` says what a shape is taken
   * for. Throws ETL_FAILED.
   */
  finish(read?: (shape: Shape) => Shape): TypedColumn[]
}

interface Gathered {
  shape: Shape
  rows: number
}

export function createGatherer(etl: string, declared: DeclaredColumns): Gatherer {
  const byName = new Map<string, Gathered>()
  let total = 0

  function fail(name: string, message: string): never {
    throw new AppError('ETL_FAILED', `ETL ${etl} failed: column ${JSON.stringify(name)} ${message}`, {
      details: { etl, name },
    })
  }

  function typeOf(name: string, shape: Shape): OutputType {
    const known = declared.get(name)
    if (known !== undefined) return known
    if (
      (shape.kinds & kind.HUGE) !== 0 &&
      (shape.kinds & ~kind.NULL & ~kind.INTEGER & ~kind.LARGE) === kind.HUGE
    ) {
      fail(name, 'holds an integer beyond 64 bits; return it as text, or declare the column as DECIMAL(38,0)')
    }
    try {
      return inferType(shape)
    } catch (error) {
      if (!(error instanceof MixedTypesError)) throw error
      return fail(
        name,
        `${error.message}; give it one type throughout, or declare it: export const columns = { ${JSON.stringify(name)}: 'JSON' }`,
      )
    }
  }

  function checkNames(names: readonly string[]): void {
    const folded = new Map<string, string>()
    for (const name of names) {
      if (!isName(name))
        fail(name, 'has a name that no table can have; a name holds at least one character, and no NUL')
      const twin = folded.get(name.toLowerCase())
      if (twin !== undefined)
        fail(name, `and column ${JSON.stringify(twin)} differ only in upper and lower case`)
      folded.set(name.toLowerCase(), name)
    }
  }

  return {
    add({ keys, shapes, count }) {
      keys.forEach((name, i) => {
        const shape = shapes[i]
        if (shape === undefined) return
        const known = byName.get(name)
        if (known === undefined && byName.size === limits.columns)
          throw failureToError({ kind: 'result', message: tooManyColumns().message }, { etl })
        if (known === undefined) byName.set(name, { shape, rows: count })
        else {
          mergeShape(known.shape, shape)
          known.rows += count
        }
      })
      total += count
    },
    names: () => [...byName.keys()],
    finish(read = (shape) => shape) {
      const unseen = [...declared.keys()].filter((name) => !byName.has(name))
      checkNames([...byName.keys(), ...unseen])
      const columns = [...byName].map(([name, { shape, rows }]): TypedColumn => {
        const nullable = rows < total || (shape.kinds & kind.NULL) !== 0 || total === 0
        return { name, type: typeOf(name, read(shape)), nullable, declared: declared.has(name) }
      })
      for (const name of unseen) {
        columns.push({ name, type: declared.get(name) ?? { type: 'STRING' }, nullable: true, declared: true })
      }
      return columns
    },
  }
}

/** One value that its column cannot hold. */
export interface Misfit {
  column: string
  /** Of the output, from 0. */
  row: number
  message: string
}

export type MisfitHandler = (misfit: Misfit) => void

/** Brings a batch's rows into the columns. What does not fit is told to `onMisfit`, and null stands for it. */
export function createAligner(columns: readonly TypedColumn[]) {
  const conforms: readonly Conform[] = columns.map(({ type, declared }) => createConform(type, declared))

  return function align(
    keys: readonly string[],
    rows: readonly (readonly Encoded[])[],
    onMisfit: MisfitHandler,
  ): Row[] {
    const positions = new Map(keys.map((key, i) => [key, i]))
    const indexes = columns.map(({ name }) => positions.get(name) ?? -1)

    function cell(given: readonly Encoded[], column: number, row: number): Value {
      const index = indexes[column] ?? -1
      if (index === -1) return null
      try {
        return conforms[column]?.(given[index]) ?? null
      } catch (error) {
        if (!(error instanceof UnfitValueError)) throw error
        onMisfit({ column: columns[column]?.name ?? '', row, message: error.message })
        return null
      }
    }
    return rows.map((given, row) => {
      const cells: Value[] = new Array(indexes.length)
      for (let i = 0; i < indexes.length; i++) cells[i] = cell(given, i, row)
      return cells
    })
  }
}

/** A value that a declared type cannot hold, as an error. */
export function misfitError(etl: string, { column, row, message }: Misfit, rowsBefore = 0): AppError {
  return new AppError(
    'ETL_FAILED',
    `ETL ${etl} failed: column ${JSON.stringify(column)} of its output's row ${rowsBefore + row + 1} ${message}`,
    { details: { etl, name: column, row: rowsBefore + row + 1 } },
  )
}

export interface Difference {
  column: string
  expected: string
  actual: string
}

/** So many are told. */
const maxDifferences = 100

/** Null when there is none. */
export function mismatchError(etl: string, differences: readonly Difference[]): AppError | null {
  if (differences.length === 0) return null
  const told = differences.slice(0, maxDifferences)
  const list = told.map(
    ({ column, expected, actual }) =>
      `${JSON.stringify(column)} was ${expected} in training and is ${actual}`,
  )
  const others = differences.length - told.length
  if (others > 0) list.push(`and ${others} further differences`)
  return new AppError(
    'SCHEMA_MISMATCH',
    `The output of ETL ${etl} differs from its columns in training: ${list.join('; ')}. Train again with refreshed ETL, or make its output as it was.`,
    { details: { etl, differences: told } },
  )
}

/** Columns there now and not in training. One that is missing from some rows is null in them, as in training. */
export function nameDifferences(expected: readonly Column[], keys: readonly string[]): Difference[] {
  const known = new Set(expected.map(({ name }) => name))
  return keys
    .filter((name) => !known.has(name))
    .map((name) => ({ column: name, expected: 'not there', actual: 'there' }))
}

/** The columns as they were saved, nullable where they are or these rows hold a null: the same array where that changes nothing. */
export function widenToNulls(columns: readonly Column[], rows: readonly Row[]): readonly Column[] {
  const holdsNull = (i: number) => rows.some((row) => (row[i] ?? null) === null)
  if (!columns.some(({ nullable }, i) => !nullable && holdsNull(i))) return columns
  return columns.map((column, i) => ({ ...column, nullable: column.nullable || holdsNull(i) }))
}

export function shapeText(shape: Shape | undefined): string {
  return kindNames(shape?.kinds ?? 0).join(' and ') || 'null'
}
