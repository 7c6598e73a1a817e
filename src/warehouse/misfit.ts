// The first value that an engine would refuse: those that are sure to be taken it is not asked about, of the others it is
// asked of fewer and fewer.

import { ValueMismatch } from '../duckdb/column-types.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { Row } from '../values/columns.ts'
import type { Misfit, TableRows } from './port.ts'
import type { Present } from './row-texts.ts'

export interface CheckedColumn {
  name: string
  /** Whether the value is sure to be taken. Throws ValueMismatch. */
  isSure(value: Present): boolean
  /** Has the engine take a cell of each of the rows from this one on. */
  take(cells: readonly Row[], from: number): Promise<unknown>
}

type ToAppError = (error: unknown, context: { refused: ErrorCode }) => unknown

export async function findMisfit(
  { rows }: TableRows,
  columns: readonly CheckedColumn[],
  toAppError: ToAppError,
): Promise<Misfit | null> {
  for (const [index, column] of columns.entries()) {
    const cells = rows.map((row) => [row[index] ?? null])
    const told = firstMismatch(column, cells)
    if (told === 'SURE') continue
    const refusal = (from: number, to: number) =>
      refusalOf(() => column.take(cells.slice(from, to), from), toAppError)
    const found = told ?? (await firstRefused(cells.length, refusal))
    if (found !== null) return { ...found, column: column.name }
  }
  return null
}

/** A value that is none of the column's type; SURE when all are sure to be taken, null when the engine is to be asked. */
function firstMismatch(
  { isSure }: CheckedColumn,
  cells: readonly Row[],
): Omit<Misfit, 'column'> | 'SURE' | null {
  let areSure = true
  for (const [row, [value = null]] of cells.entries()) {
    try {
      if (value !== null && !isSure(value)) areSure = false
    } catch (error) {
      if (error instanceof ValueMismatch) return { row, reason: error.message }
      throw error
    }
  }
  return areSure ? 'SURE' : null
}

/** The engine's reason why it does not take something, or null. */
export async function refusalOf(
  take: () => Promise<unknown>,
  toAppError: ToAppError,
): Promise<string | null> {
  try {
    await take()
    return null
  } catch (error) {
    const failure = toAppError(error, { refused: 'BAD_USER_INPUT' })
    if (failure instanceof AppError && failure.code === 'BAD_USER_INPUT') return failure.message
    throw error
  }
}

/** `refusal` gives the reason why the rows from one place up to another are not taken, or null. */
async function firstRefused(
  count: number,
  refusal: (from: number, to: number) => Promise<string | null>,
): Promise<Omit<Misfit, 'column'> | null> {
  let reason = await refusal(0, count)
  if (reason === null) return null
  let [from, to] = [0, count]
  while (to - from > 1) {
    const middle = Math.floor((from + to) / 2)
    const before = await refusal(from, middle)
    if (before === null) from = middle
    else {
      reason = before
      to = middle
    }
  }
  return { row: from, reason: (await refusal(from, to)) ?? reason }
}
