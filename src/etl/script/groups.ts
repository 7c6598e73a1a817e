// A script over groups of rows, each on its own: what realtime asks for, one entity a group.

import { setImmediate } from 'node:timers/promises'
import { AppError } from '../../errors.ts'
import type { Column, Row } from '../../values/columns.ts'
import { asSample, typedColumns } from '../columns/held.ts'
import {
  createAligner,
  createGatherer,
  type Difference,
  type Misfit,
  misfitError,
  mismatchError,
  nameDifferences,
  shapeText,
  widenToNulls,
} from '../columns/output.ts'
import { columnOf } from '../columns/output-type.ts'
import { type EtlGroupResult, type GroupsRequest, type SampleResult, throwIfAllFailed } from '../request.ts'
import { SandboxError } from './child-process.ts'
import { failureToError } from './failure.ts'
import { createRowsEncoder } from './input.ts'
import type { Output } from './isolate/collect.ts'
import { type Encoded, TooDeepError } from './isolate/encoded.ts'
import type { Failure } from './isolate/evaluation.ts'
import type { ToldOutcome } from './isolate/groups.ts'
import type { LoadedScript } from './load.ts'
import type { Sandbox } from './sandbox.ts'

export interface ScriptGroupsRequest extends Omit<GroupsRequest, 'etl'> {
  script: LoadedScript
}

type EncodedRows = readonly (readonly unknown[])[]
type Finish = (output: Output, pieces: readonly string[]) => Promise<EtlGroupResult>

/** A request under way. */
interface Run {
  request: ScriptGroupsRequest
  spec: string
  finish: Finish
}

/** After so many ended processes, the groups that are left are not tried. */
const maxCrashes = 8

function isCrash(error: unknown): error is SandboxError {
  return error instanceof SandboxError && error.failure.kind !== 'load'
}

export function createScriptGroups(sandbox: Sandbox) {
  async function ask({ request, spec }: Run, groups: readonly EncodedRows[]): Promise<readonly string[]> {
    const { script, signal } = request
    const lease = await sandbox.lease('SERVING', signal)
    try {
      const text = JSON.stringify(groups)
      const told = await lease.ask(script, { op: 'groups', form: script.form, spec, text })
      if (!Array.isArray(told)) throw new Error('Groups were answered with a batch')
      return told
    } finally {
      lease.release()
    }
  }

  function failed({ request }: Run, failure: Failure): EtlGroupResult {
    return { ok: false, error: failureToError(failure, { etl: request.script.etl }) }
  }

  /** Other work has its turn between texts, and between pieces of long ones. */
  async function read(run: Run, texts: readonly string[]): Promise<EtlGroupResult[]> {
    const results: EtlGroupResult[] = []
    for (let i = 0; i < texts.length; i++) {
      if (i > 0) await setImmediate()
      const outcomes: readonly ToldOutcome[] = JSON.parse(texts[i] ?? '')
      const at = i + 1
      for (const outcome of outcomes) {
        if ('failure' in outcome) {
          results.push(failed(run, outcome.failure))
          continue
        }
        const { pieces = 0 } = outcome
        i += pieces
        results.push(await attempt(() => run.finish(outcome, texts.slice(at, at + pieces))))
      }
    }
    return results
  }

  /** When the process ended in the middle, nobody knows by which group: then each is run on its own. */
  async function askEach(run: Run, groups: readonly EncodedRows[]): Promise<EtlGroupResult[]> {
    const results: EtlGroupResult[] = []
    let crashes = 0
    let last: Failure = { kind: 'crash', message: 'its process ended' }
    for (const group of groups) {
      if (crashes >= maxCrashes) {
        results.push(failed(run, last))
        continue
      }
      try {
        results.push(...(await read(run, await ask(run, [group]))))
      } catch (error) {
        if (!isCrash(error)) throw error
        crashes++
        last = error.failure
        results.push(failed(run, last))
      }
    }
    return results
  }

  async function askAll(run: Run, groups: readonly EncodedRows[]): Promise<EtlGroupResult[]> {
    if (groups.length === 0) return []
    try {
      return await read(run, await ask(run, groups))
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error
      if (error.failure.kind === 'load') throw failureToError(error.failure, { etl: run.request.script.etl })
      return groups.length === 1 ? [failed(run, error.failure)] : askEach(run, groups)
    }
  }

  return {
    run(request: ScriptGroupsRequest): Promise<readonly EtlGroupResult[]> {
      const { script, outputColumns } = request
      return runWith(
        request,
        outputColumns === null ? createInferringFinish(script) : createHeldFinish(script, outputColumns),
      )
    },
    /** What all groups together show. Rejects with the first failure where every group fails. */
    async sample(request: ScriptGroupsRequest): Promise<SampleResult> {
      const gatherer = createGatherer(request.script.etl, request.script.declared)
      let mostRows = 0
      const results = await runWith(request, async (output) => {
        gatherer.add(output)
        mostRows = Math.max(mostRows, output.count)
        return { ok: true, frame: { columns: [], rows: [] } }
      })
      throwIfAllFailed(results)
      return { columns: gatherer.finish(asSample).map(columnOf), mostRows }
    },
  }

  async function runWith(request: ScriptGroupsRequest, finish: Finish): Promise<readonly EtlGroupResult[]> {
    const { spec, encode } = createRowsEncoder(request.inputColumns)
    const run: Run = { request, spec, finish }
    const encoded = request.groups.map((rows) => attemptEncode(() => encode(rows)))
    const answered = await askAll(
      run,
      encoded.filter((one): one is EncodedRows => !('failure' in one)),
    )
    let next = 0
    return encoded.map((one) => {
      const result = 'failure' in one ? failed(run, one.failure) : answered[next++]
      if (result === undefined) throw new Error('A group has no result')
      return result
    })
  }
}

function attemptEncode(encode: () => EncodedRows): EncodedRows | { failure: Failure } {
  try {
    return encode()
  } catch (error) {
    if (error instanceof TooDeepError) return { failure: { kind: 'result', message: error.message } }
    throw error
  }
}

async function attempt(work: () => Promise<EtlGroupResult>): Promise<EtlGroupResult> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError) return { ok: false, error }
    throw error
  }
}

/** Each piece of the rows by itself; between them, other work has its turn. */
async function alignPieces(
  output: Output,
  pieces: readonly string[],
  align: (rows: readonly (readonly Encoded[])[], rowsBefore: number) => readonly Row[],
): Promise<Row[]> {
  const rows = [...align(output.rows, 0)]
  for (const piece of pieces) {
    await setImmediate()
    for (const row of align(JSON.parse(`[${piece}]`), rows.length)) rows.push(row)
  }
  return rows
}

/** No training run yet: each group's columns are its own, whatever groups it is asked with. */
function createInferringFinish(script: LoadedScript): Finish {
  return async (output, pieces) => {
    const gatherer = createGatherer(script.etl, script.declared)
    gatherer.add(output)
    const typed = gatherer.finish()
    const align = createAligner(typed)
    const rows = await alignPieces(output, pieces, (rows, rowsBefore) =>
      align(output.keys, rows, (misfit) => {
        throw misfitError(script.etl, misfit, rowsBefore)
      }),
    )
    return { ok: true, frame: { columns: typed.map(columnOf), rows } }
  }
}

/**
 * Names and types are held against training's; a column that holds the first null becomes nullable. A group without rows
 * has nothing to differ in.
 */
function createHeldFinish(script: LoadedScript, columns: readonly Column[]): Finish {
  const typed = typedColumns(script, columns)
  const align = createAligner(typed)
  return async (output, pieces) => {
    const { keys, shapes, count } = output
    if (count === 0) return { ok: true, frame: { columns, rows: [] } }
    const differences = nameDifferences(columns, keys)
    const differing = new Set(differences.map(({ column }) => column))
    const differ = (difference: Difference) => {
      if (!differing.has(difference.column)) differences.push(difference)
      differing.add(difference.column)
    }
    const onMisfit = ({ column, message }: Misfit) => {
      const expected = columns.find(({ name }) => name === column)?.type ?? ''
      const seen = shapeText(shapes[keys.indexOf(column)])
      differ({ column, expected, actual: seen === expected ? `a value that ${message}` : seen })
    }
    const aligned = await alignPieces(output, pieces, (rows) => align(keys, rows, onMisfit))
    const error = mismatchError(script.etl, differences)
    if (error !== null) return { ok: false, error }
    return { ok: true, frame: { columns: widenToNulls(columns, aligned), rows: aligned } }
  }
}
