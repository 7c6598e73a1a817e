// Runs an ETL inside its isolate: builds rows, calls the script, tells the results. Its module is evaluated afresh for
// every row (or whole frame), so nothing that a script keeps can reach the next one; lockdown sees to the rest.

import { createOutput, isRow, kindOf, listOf, type Output, ResultError } from './collect.ts'
import { lockDown } from './lockdown.ts'
import { createColumns, type OutputBatch } from './pack.ts'
import { expectTraps } from './traps.ts'
import { type InputHead, unpack } from './unpack.ts'
import { fromWire, type Wire } from './wire.ts'

type RowObject = Record<string, unknown>
type MakeRow = (cells: readonly Wire[]) => RowObject
type MakeFromColumns = (columns: readonly (readonly unknown[])[], row: number) => RowObject

/** Why a row, a group or a frame failed. `row` counts from 0 within what was given. */
export interface Failure {
  kind: 'thrown' | 'result' | 'load' | 'timeout' | 'memory' | 'crash'
  message: string
  row?: number
  line?: number
  column?: number
  /** The result's column that was not plain data. */
  name?: string
}

export interface Description {
  form: 'transform' | 'extract'
  columns: readonly (readonly [string, string])[]
}

/** Before the first row, and where rows are not taken one by one. */
export const noRow = -1

/** Where the work stands, readable from outside even when this isolate is gone: row, group. */
let position: Int32Array = new Int32Array(2)

/** The script, as script.ts wraps it. */
type Instantiate = () => {
  transform?: (row: RowObject) => unknown
  extract?: (rows: RowObject[]) => unknown
  columns?: unknown
}
let instantiate: Instantiate = () => ({})

/** To be called before anything of the script is there. */
export function begin(shared: SharedArrayBuffer): void {
  position = new Int32Array(shared)
  lockDown()
}

export function take(script: Instantiate, hasAccessors: boolean): void {
  instantiate = script
  if (hasAccessors) expectTraps()
}

/** As it was before lockdown. */
const NativeFunction = Function
const makers = new Map<string, MakeRow>()
const columnMakers = new Map<string, MakeFromColumns>()

/** A function from columns and a row's number to a row object, for the names `["a", …]`. */
function columnMakerOf(names: string): MakeFromColumns {
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

function keyText(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : JSON.stringify(name)
}

/** A function from cells to a row object for `[[name, mayBeTagged], …]`. Made by code, so that every row has one hidden class. */
function makerOf(spec: string): MakeRow {
  const known = makers.get(spec)
  if (known !== undefined) return known
  const columns: readonly (readonly [string, boolean])[] = JSON.parse(spec)
  const fields = columns.map(([name, tagged], i) => {
    const key = keyText(name)
    return tagged ? `${key}: typeof c[${i}] === "object" ? f(c[${i}]) : c[${i}]` : `${key}: c[${i}]`
  })
  const make: MakeRow = new NativeFunction('f', `"use strict"; return (c) => ({ ${fields.join(', ')} })`)(
    fromWire,
  )
  if (makers.size >= 100) makers.clear()
  makers.set(spec, make)
  return make
}

interface Collects {
  add(object: object): void
}

function transformInto(output: Collects, row: RowObject): void {
  const { transform } = instantiate()
  const result: unknown = transform?.(row)
  if (result === null) return
  if (!isRow(result)) {
    throw new ResultError(
      `transform must return an object, or null to drop the row; it returned ${kindOf(result)}`,
    )
  }
  output.add(result)
}

function extractAll(rows: RowObject[]): readonly unknown[] {
  const { extract } = instantiate()
  const result: unknown = extract?.(rows)
  const list = listOf(result)
  if (list !== null) return list
  throw new ResultError(`extract must return an array of objects; it returned ${kindOf(result)}`)
}

function addResult(output: Collects, result: unknown, index: number): void {
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

function failureOf(error: unknown, row: number | null): Failure {
  const where = row === null ? {} : { row }
  try {
    if (error instanceof ResultError) {
      const name = error.column === undefined ? {} : { name: error.column }
      return { kind: 'result', message: error.message, ...where, ...name }
    }
    if (error === null || typeof error !== 'object')
      return { kind: 'thrown', message: `threw ${String(error)}`.slice(0, 500), ...where }
    return { kind: 'thrown', message: String(error).slice(0, 500), ...where, ...placeOf(error) }
  } catch {
    return { kind: 'thrown', message: 'threw an object that cannot be told', ...where }
  }
}

type Outcome = Output | { failure: Failure }

function attempt(work: () => Output, rowKnown: boolean): Outcome {
  try {
    return work()
  } catch (error) {
    return { failure: failureOf(error, rowKnown ? (position[0] ?? 0) : null) }
  }
}

/** The batch, or the text of its failure. */
function tellBatch(work: () => OutputBatch, rowKnown: boolean): OutputBatch | string {
  try {
    return work()
  } catch (error) {
    return JSON.stringify({ failure: failureOf(error, rowKnown ? (position[0] ?? 0) : null) })
  }
}

function tellGroup(outcome: Outcome): string {
  try {
    return JSON.stringify(outcome)
  } catch (error) {
    return JSON.stringify({ failure: failureOf(error, null) })
  }
}

/** Evaluates the module once: its form and its declared columns. */
export function describe(): string {
  try {
    const { transform, extract, columns = {} } = instantiate()
    const name = extract === undefined ? 'transform' : 'extract'
    if (typeof (extract ?? transform) !== 'function')
      throw new ResultError(`${name} is exported, but it is not a function`)
    if (typeof columns !== 'object' || columns === null)
      throw new ResultError('columns must be an object of types by name')
    const declared = Object.entries(columns).map(([column, type]) => {
      if (typeof type !== 'string')
        throw new ResultError(`columns.${column} must be a type's name, such as 'TIMESTAMP'`)
      return [column, type] as const
    })
    return JSON.stringify({ form: name, columns: declared } satisfies Description)
  } catch (error) {
    return JSON.stringify({ failure: { ...failureOf(error, null), kind: 'load' } })
  }
}

function runRows(make: MakeRow, rows: readonly (readonly Wire[])[]): Outcome {
  return attempt(() => {
    const output = createOutput()
    for (let i = 0; i < rows.length; i++) {
      position[0] = i
      transformInto(output, make(rows[i] as readonly Wire[]))
    }
    return output.finish()
  }, true)
}

function runFrame(make: MakeRow, rows: readonly (readonly Wire[])[]): Outcome {
  return attempt(() => {
    const output = createOutput()
    const all = extractAll(rows.map(make))
    for (let i = 0; i < all.length; i++) addResult(output, all[i], i)
    return output.finish()
  }, false)
}

/** A batch, row by row. */
export function rows(
  names: string,
  head: InputHead,
  data: ArrayBuffer,
  ...texts: string[]
): OutputBatch | string {
  const make = columnMakerOf(names)
  const columns = unpack(head, data, texts)
  return tellBatch(() => {
    const output = createColumns(head.count)
    for (let i = 0; i < head.count; i++) {
      position[0] = i
      transformInto(output, make(columns, i))
    }
    return output.finish()
  }, true)
}

let pending: { make: MakeRow; run: typeof runRows; groups: Wire[][][]; done: string[] } | null = null

/** Each group on its own, whichever the form. `failed` is `[[index, failure], …]`: groups that are not to be run. */
export function groups(form: string, spec: string, text: string, failed: string): string {
  pending = {
    make: makerOf(spec),
    run: form === 'extract' ? runFrame : runRows,
    groups: JSON.parse(text),
    done: [],
  }
  for (const [index, failure] of JSON.parse(failed)) pending.done[index] = JSON.stringify({ failure })
  return resume('')
}

/** Goes on with the groups; `failure` is what became of the one that `position` stands at. */
export function resume(failure: string): string {
  const work = pending
  if (work === null) throw new Error('There are no groups to go on with')
  if (failure !== '') work.done[position[1] ?? 0] = failure
  for (let i = 0; i < work.groups.length; i++) {
    if (work.done[i] !== undefined) continue
    position[0] = noRow
    position[1] = i
    work.done[i] = tellGroup(work.run(work.make, work.groups[i] ?? []))
  }
  pending = null
  return `[${work.done.join(',')}]`
}

let frame: RowObject[] = []
let results: readonly unknown[] = []
let taken = 0

export function frameAdd(names: string, head: InputHead, data: ArrayBuffer, ...texts: string[]): void {
  const make = columnMakerOf(names)
  const columns = unpack(head, data, texts)
  for (let i = 0; i < head.count; i++) frame.push(make(columns, i))
}

/** Gives '' or a failure. */
export function frameRun(): string {
  const all = frame
  frame = []
  taken = 0
  try {
    results = extractAll(all)
    return ''
  } catch (error) {
    return JSON.stringify({ failure: failureOf(error, null) })
  }
}

/** The next results, '' when there are no more. */
export function frameTake(limit: number): OutputBatch | string {
  if (taken >= results.length) {
    frameDrop()
    return ''
  }
  return tellBatch(() => {
    const end = Math.min(taken + limit, results.length)
    const output = createColumns(end - taken)
    for (; taken < end; taken++) addResult(output, results[taken], taken)
    return output.finish()
  }, false)
}

export function frameDrop(): void {
  frame = []
  results = []
  taken = 0
}
