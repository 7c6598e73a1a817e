// A whole frame inside the isolate: gathered batch by batch, given to the script at once, its results taken in batches.

import { addResult, extractAll, failureOf, tellBatch } from './evaluation.ts'
import { comparerOf } from './order.ts'
import { createColumns, type OutputBatch } from './pack.ts'
import { columnMakerOf, type RowObject } from './row-makers.ts'
import { listen } from './said.ts'
import { type InputHead, unpack } from './unpack.ts'

let frame: RowObject[] = []
let results: readonly unknown[] = []
let taken = 0

export function frameAdd(names: string, head: InputHead, data: ArrayBuffer, ...texts: string[]): void {
  const make = columnMakerOf(names)
  const columns = unpack(head, data, texts)
  for (let i = 0; i < head.count; i++) frame.push(make(columns, i))
}

/** Gives '' or a failure. */
export function frameRun(spec: string): string {
  const all = frame.sort(comparerOf(spec))
  frame = []
  taken = 0
  listen(true)
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
