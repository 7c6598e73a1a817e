// The script inside its isolate: evaluated anew for every row (or whole frame), so that nothing it keeps can reach the
// next one; lockdown sees to the rest.

import { isRow, kindOf, listOf, type Output, ResultError } from './collect.ts'
import type { OutputBatch } from './pack.ts'
import { isUnknownColumn, type RowObject } from './row-makers.ts'
import { expectTraps } from './traps.ts'

/** Why a row, a group or a frame failed. `row` counts from 0 within what was given. */
export interface Failure {
  kind: 'thrown' | 'result' | 'large' | 'load' | 'timeout' | 'memory' | 'crash'
  message: string
  row?: number
  line?: number
  column?: number
  /** The result's column that was not plain data. */
  name?: string
}

/** Before the first row, and where rows are not taken one by one. */
export const noRow = -1

/** Where the work stands, readable from outside even when this isolate is gone: row, group, lines said by console. */
let position: Int32Array = new Int32Array(3)

/** The script, as script.ts wraps it. */
export type Evaluate = () => {
  transform?: (row: RowObject) => unknown
  extract?: (rows: RowObject[]) => unknown
  columns?: unknown
}
let evaluate: Evaluate = () => ({})

export function sharePosition(shared: SharedArrayBuffer): void {
  position = new Int32Array(shared)
}

export function standAtRow(row: number): void {
  position[0] = row
}

export function standAtGroup(group: number): void {
  position[0] = noRow
  position[1] = group
}

export function noteSaid(): void {
  position[2] = (position[2] ?? 0) + 1
}

export function currentGroup(): number {
  return position[1] ?? 0
}

export function takeScript(script: Evaluate, hasAccessors: boolean): void {
  evaluate = script
  if (hasAccessors) expectTraps()
}

export function exportsOfScript(): ReturnType<Evaluate> {
  return evaluate()
}

export interface Collects {
  add(object: object): void
}

export function transformInto(output: Collects, row: RowObject): void {
  const { transform } = evaluate()
  const result: unknown = transform?.(row)
  if (result === null) return
  if (!isRow(result)) {
    throw new ResultError(
      `transform must return an object, or null to drop the row; it returned ${kindOf(result)}`,
    )
  }
  output.add(result)
}

export function extractAll(rows: RowObject[]): readonly unknown[] {
  const { extract } = evaluate()
  const result: unknown = extract?.(rows)
  const list = listOf(result)
  if (list !== null) return list
  throw new ResultError(`extract must return an array of objects; it returned ${kindOf(result)}`)
}

export function addResult(output: Collects, result: unknown, index: number): void {
  if (!isRow(result)) {
    throw new ResultError(
      `extract must return an array of objects; its element ${index} is ${kindOf(result)}`,
    )
  }
  output.add(result)
}

/** The innermost place in the ETL's own source: `etl:line:column`, as child.ts names the module. */
function placeOf(error: object): { line?: number; column?: number } {
  const stack: unknown = Reflect.get(error, 'stack')
  const match =
    typeof stack === 'string' ? /\(?\betl:(\d+):(\d+)\)?/.exec(stack.replace(String(error), '')) : null
  return match === null ? {} : { line: Number(match[1]), column: Number(match[2]) }
}

export function failureOf(error: unknown, row: number | null): Failure {
  const where = row === null ? {} : { row }
  try {
    if (error instanceof ResultError) {
      const name = error.column === undefined ? {} : { name: error.column }
      return { kind: 'result', message: error.message, ...where, ...name }
    }
    if (error === null || typeof error !== 'object')
      return { kind: 'thrown', message: `threw ${String(error)}`.slice(0, 500), ...where }
    const message = String(error).slice(0, isUnknownColumn(error) ? 2_000 : 500)
    return { kind: 'thrown', message, ...where, ...placeOf(error) }
  } catch {
    return { kind: 'thrown', message: 'threw an object that cannot be told', ...where }
  }
}

export type Outcome = Output | { failure: Failure }

export function attempt(work: () => Output, rowKnown: boolean): Outcome {
  try {
    return work()
  } catch (error) {
    return { failure: failureOf(error, rowKnown ? (position[0] ?? 0) : null) }
  }
}

/** The batch, or the text of its failure. */
export function tellBatch(work: () => OutputBatch, rowKnown: boolean): OutputBatch | string {
  try {
    return work()
  } catch (error) {
    return JSON.stringify({ failure: failureOf(error, rowKnown ? (position[0] ?? 0) : null) })
  }
}
