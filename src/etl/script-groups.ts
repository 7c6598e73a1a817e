// A script over groups of rows, each on its own: what realtime asks for, one entity a group.

import type { Column, Row } from '../columns.ts'
import { AppError } from '../errors.ts'
import { parseStorage } from '../parquet/storage-text.ts'
import { SandboxError } from './child-process.ts'
import { failureToError } from './failure.ts'
import { createRowsEncoder, type RowsEncoder } from './input.ts'
import type { Output } from './isolate/collect.ts'
import type { Failure } from './isolate/harness.ts'
import {
  createAligner,
  createGatherer,
  type Difference,
  misfitError,
  mismatchError,
  nameDifferences,
  shapeText,
} from './output.ts'
import { columnOf, type PlannedColumn, planOf } from './plan.ts'
import type { EtlGroupResult, GroupsRequest } from './request.ts'
import type { Sandbox } from './sandbox.ts'
import type { LoadedScript } from './script-load.ts'

type Told = Output | { failure: Failure }

export interface ScriptGroupsRequest extends Omit<GroupsRequest, 'etl'> {
  script: LoadedScript
}

/** After so many ended processes, the groups that are left are not tried. */
const maxCrashes = 8

function isCrash(error: unknown): error is SandboxError {
  return error instanceof SandboxError && error.failure.kind !== 'load'
}

export function createScriptGroups(sandbox: Sandbox) {
  async function ask(
    request: ScriptGroupsRequest,
    encoder: RowsEncoder,
    groups: readonly (readonly Row[])[],
  ): Promise<readonly Told[]> {
    const { script, signal } = request
    const lease = await sandbox.lease('SERVING', signal)
    try {
      const text = JSON.stringify(groups.map(encoder.encode))
      const told = await lease.ask(script, { op: 'groups', form: script.form, spec: encoder.spec, text })
      return JSON.parse(String(told))
    } finally {
      lease.release()
    }
  }

  /** When the process ended in the middle, nobody knows by which group: then each is run on its own. */
  async function askApart(request: ScriptGroupsRequest, encoder: RowsEncoder): Promise<readonly Told[]> {
    const told: Told[] = []
    let crashes = 0
    let last: Failure = { kind: 'crash', message: 'its process ended' }
    for (const group of request.groups) {
      if (crashes >= maxCrashes) {
        told.push({ failure: last })
        continue
      }
      try {
        told.push(...(await ask(request, encoder, [group])))
      } catch (error) {
        if (!isCrash(error)) throw error
        crashes++
        last = error.failure
        told.push({ failure: last })
      }
    }
    return told
  }

  async function askAll(request: ScriptGroupsRequest): Promise<readonly Told[]> {
    const encoder = createRowsEncoder(request.inputColumns)
    try {
      return await ask(request, encoder, request.groups)
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error
      if (error.failure.kind === 'load') throw failureToError(error.failure, { etl: request.script.etl })
      if (request.groups.length === 1) return [{ failure: error.failure }]
      return askApart(request, encoder)
    }
  }

  return {
    async run(request: ScriptGroupsRequest): Promise<readonly EtlGroupResult[]> {
      if (request.groups.length === 0) return []
      const told = await askAll(request)
      const { script, outputColumns } = request
      const finish =
        outputColumns === null ? createInferringFinish(script) : createHeldFinish(script, outputColumns)
      return told.map((one) => {
        if ('failure' in one) return { ok: false, error: failureToError(one.failure, { etl: script.etl }) }
        return attempt(() => finish(one))
      })
    },
  }
}

function attempt(work: () => EtlGroupResult): EtlGroupResult {
  try {
    return work()
  } catch (error) {
    if (error instanceof AppError) return { ok: false, error }
    throw error
  }
}

type Finish = (output: Output) => EtlGroupResult

/** No training run yet: each group's columns are its own, whatever groups it is asked with. */
function createInferringFinish(script: LoadedScript): Finish {
  return (output) => {
    const gatherer = createGatherer(script.etl, script.declared)
    gatherer.add(output)
    const planned = gatherer.finish()
    const rows = createAligner(planned)(output.keys, output.rows, (misfit) => {
      throw misfitError(script.etl, misfit)
    })
    return { ok: true, frame: { columns: planned.map(columnOf), rows } }
  }
}

function planColumns(script: LoadedScript, columns: readonly Column[]): PlannedColumn[] {
  return columns.map(({ name, nullable, storage, type }) => {
    const plan = planOf(parseStorage(storage))
    if (plan === null) {
      throw new AppError(
        'SCHEMA_MISMATCH',
        `ETL ${script.etl} cannot give column ${JSON.stringify(name)} of type ${type} (${storage})`,
        {
          details: { etl: script.etl, name },
        },
      )
    }
    return { name, plan, nullable, declared: script.declared.has(name) }
  })
}

/** Names, types and nullability are held against training's. A group without rows has nothing to differ in. */
function createHeldFinish(script: LoadedScript, columns: readonly Column[]): Finish {
  const planned = planColumns(script, columns)
  const align = createAligner(planned)
  return ({ keys, shapes, rows }) => {
    if (rows.length === 0) return { ok: true, frame: { columns, rows: [] } }
    const differences = nameDifferences(columns, keys)
    const differing = new Set(differences.map(({ column }) => column))
    const differ = (difference: Difference) => {
      if (!differing.has(difference.column)) differences.push(difference)
      differing.add(difference.column)
    }
    const aligned = align(keys, rows, ({ column, message }) => {
      const expected = columns.find(({ name }) => name === column)?.type ?? ''
      const seen = shapeText(shapes[keys.indexOf(column)])
      differ({ column, expected, actual: seen === expected ? `a value that ${message}` : seen })
    })
    columns.forEach(({ name, nullable }, i) => {
      if (nullable || !aligned.some((row) => row[i] === null)) return
      differ({ column: name, expected: 'never null', actual: 'null' })
    })
    const error = mismatchError(script.etl, differences)
    return error === null ? { ok: true, frame: { columns, rows: aligned } } : { ok: false, error }
  }
}
