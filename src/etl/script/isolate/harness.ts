// What an isolate does for an ETL: builds rows, calls the script, tells the results.

import { ResultError } from './collect.ts'
import {
  type Evaluate,
  exportsOfScript,
  failureOf,
  sharePosition,
  standAtRow,
  takeScript,
  tellBatch,
  transformInto,
} from './evaluation.ts'
import { lockDown } from './lockdown.ts'
import { createColumns, type OutputBatch } from './pack.ts'
import { columnMakerOf } from './row-makers.ts'
import { listen } from './said.ts'
import { type InputHead, unpack } from './unpack.ts'

export { frameAdd, frameDrop, frameRun, frameTake } from './frame.ts'
export { groups, resume } from './groups.ts'
export { takeSaid } from './said.ts'

export interface Description {
  form: 'transform' | 'extract'
  columns: readonly (readonly [string, string])[]
}

/** To be called before anything of the script is there. */
export function begin(shared: SharedArrayBuffer): void {
  sharePosition(shared)
  lockDown()
}

export function take(script: Evaluate, hasAccessors: boolean): void {
  takeScript(script, hasAccessors)
}

/** Evaluates the module once: its form and its declared columns. */
export function describe(): string {
  try {
    const { transform, extract, columns = {} } = exportsOfScript()
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

/** A batch, row by row. */
export function rows(
  names: string,
  head: InputHead,
  data: ArrayBuffer,
  ...texts: string[]
): OutputBatch | string {
  const make = columnMakerOf(names)
  const columns = unpack(head, data, texts)
  listen(true)
  return tellBatch(() => {
    const output = createColumns(head.count)
    for (let i = 0; i < head.count; i++) {
      standAtRow(i)
      transformInto(output, make(columns, i))
    }
    return output.finish()
  }, true)
}
