// Groups of rows inside the isolate, each on its own, whichever the script's form.

import { createOutput, type Output } from './collect.ts'
import type { Encoded } from './encoded.ts'
import {
  addResult,
  attempt,
  currentGroup,
  extractAll,
  type Failure,
  type Outcome,
  standAtGroup,
  standAtRow,
  transformInto,
} from './evaluation.ts'
import { limits } from './limits.ts'
import { comparerOf } from './order.ts'
import { type MakeRow, makerOf, type RowObject } from './row-makers.ts'
import { listen } from './said.ts'

function runRows(make: MakeRow, rows: readonly (readonly Encoded[])[]): Outcome {
  return attempt(() => {
    const output = createOutput()
    for (let i = 0; i < rows.length; i++) {
      standAtRow(i)
      transformInto(output, make(rows[i] as readonly Encoded[]))
    }
    return output.finish()
  }, true)
}

function runFrame(
  make: MakeRow,
  rows: readonly (readonly Encoded[])[],
  compare: (a: RowObject, b: RowObject) => number,
): Outcome {
  return attempt(() => {
    const output = createOutput()
    const all = extractAll(rows.map(make).sort(compare))
    for (let i = 0; i < all.length; i++) addResult(output, all[i], i)
    return output.finish()
  }, false)
}

/**
 * What became of a group: its outcome as JSON, and where it has more rows than are read in one go, as many texts of
 * further ones as `pieces` says, each the inside of an array.
 */
export type ToldOutcome = (Output & { pieces?: number }) | { failure: Failure }

/** So few are told at once, and anew in pieces should they be long. */
const fewCells = 1_000

function tellGroup(outcome: Outcome): string[] {
  if ('failure' in outcome) return [JSON.stringify(outcome)]
  if (outcome.count * outcome.keys.length < fewCells) {
    const text = JSON.stringify(outcome)
    if (text.length < limits.pieceCharacters) return [text]
  }
  const { rows, ...header } = outcome
  const pieces = ['']
  let [last, length] = [0, 0]
  for (const row of rows) {
    const text = JSON.stringify(row)
    length += text.length
    if (length > limits.characters) return [JSON.stringify({ failure: tooLarge })]
    const piece = pieces[last] ?? ''
    if (piece.length > limits.pieceCharacters) last = pieces.push(text) - 1
    else pieces[last] = piece === '' ? text : `${piece},${text}`
  }
  const [first, ...others] = pieces
  return [
    `${JSON.stringify({ ...header, pieces: others.length }).slice(0, -1)},"rows":[${first}]}`,
    ...others,
  ]
}

const tooLarge: Failure = {
  kind: 'large',
  message: `the rows that it gave for one index value hold more than ${limits.characters} characters as JSON`,
}

interface Work {
  make: MakeRow
  compare: (a: RowObject, b: RowObject) => number
  run: typeof runFrame
  groups: Encoded[][][]
  done: string[][]
}
let pending: Work | null = null

/** `failed` is `[[index, failure], …]`: groups that are not to be run. The texts are arrays of `ToldOutcome`, and pieces of the last before them. */
export function groups(form: string, spec: string, text: string, failed: string): string[] {
  pending = {
    make: makerOf(spec),
    compare: comparerOf(spec),
    run: form === 'extract' ? runFrame : runRows,
    groups: JSON.parse(text),
    done: [],
  }
  listen(false)
  for (const [index, failure] of JSON.parse(failed)) pending.done[index] = [JSON.stringify({ failure })]
  return resume('')
}

/** Goes on with the groups; `failure` is what became of the one that was under way. */
export function resume(failure: string): string[] {
  const work = pending
  if (work === null) throw new Error('There are no groups to go on with')
  if (failure !== '') work.done[currentGroup()] = [failure]
  for (let i = 0; i < work.groups.length; i++) {
    if (work.done[i] !== undefined) continue
    standAtGroup(i)
    work.done[i] = tellGroup(work.run(work.make, work.groups[i] ?? [], work.compare))
  }
  pending = null
  return inTurns(work.done)
}

/** As few texts as there can be. Loops by index cost less in a locked-down context. */
function inTurns(done: readonly string[][]): string[] {
  const texts: string[] = []
  let open = ''
  for (let i = 0; i < done.length; i++) {
    const told = done[i] ?? []
    open = open === '' ? (told[0] ?? '') : `${open},${told[0]}`
    if (told.length === 1 && open.length < limits.pieceCharacters && i < done.length - 1) continue
    texts.push(`[${open}]`, ...told.slice(1))
    open = ''
  }
  return texts
}
