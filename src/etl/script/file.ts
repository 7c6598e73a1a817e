// A script over a whole Parquet file: rows in, batches through the sandbox in parallel and in order, Parquet out.

import { rm } from 'node:fs/promises'
import type { ColumnBatch } from '../../duckdb/append-rows.ts'
import { AppError } from '../../errors.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import type { PackableRows } from '../../parquet/packed-columns.ts'
import type { Column, Value } from '../../values/columns.ts'
import { typedColumns } from '../columns/held.ts'
import {
  createGatherer,
  type Gatherer,
  type Misfit,
  misfitError,
  mismatchError,
  nameDifferences,
} from '../columns/output.ts'
import { createColumnAligner } from '../columns/output-rows.ts'
import { columnOf, type TypedColumn } from '../columns/output-type.ts'
import type { FileRequest } from '../request.ts'
import { SandboxError } from './child-process.ts'
import { failureToError } from './failure.ts'
import { specOf } from './input.ts'
import { encodeValue, TooDeepError } from './isolate/encoded.ts'
import type { Failure } from './isolate/evaluation.ts'
import type { LoadedScript } from './load.ts'
import { createScriptLog, type ScriptLog } from './log.ts'
import type { Told } from './messages.ts'
import type { Lease, Sandbox } from './sandbox.ts'
import { createSpool, type Spool } from './spool.ts'

const takeRows = 4096
/** As many bytes of texts at most go into one message, unless a single row has more. */
const batchBytes = 8_000_000

export interface ScriptFileRequest extends Omit<FileRequest, 'etl'> {
  script: LoadedScript
}

export interface ScriptFileOptions {
  parquet: ParquetEngine
  sandbox: Sandbox
  timeoutMs: number
  temporaryFolder: string
}

/** A batch's answer, how many rows came before it, and what was said over it. */
interface Answered {
  answer: Told
  rowsBefore: number
  said: string | undefined
}

/** Rows of the input, one behind the other. */
interface Slice {
  rows: PackableRows
  from: number
  to: number
}

interface Run extends ScriptFileRequest {
  /** The input's columns by name, as the isolate is told them. */
  names: string
  gatherer: Gatherer
  spool: Spool
  log: ScriptLog
}

export function createScriptFiles({ parquet, sandbox, timeoutMs, temporaryFolder }: ScriptFileOptions) {
  /** Takes the results of a batch that began after `rowsBefore` rows. */
  async function keep(run: Run, answer: Told, rowsBefore: number | undefined): Promise<void> {
    if (typeof answer === 'string') {
      const { failure }: { failure: Failure } = JSON.parse(answer)
      throw failureToError(failure, {
        etl: run.script.etl,
        ...(rowsBefore === undefined ? {} : { rowsBefore }),
      })
    }
    if (!('shapes' in answer)) throw new Error('A batch was answered with groups')
    run.gatherer.add(answer)
    if (answer.count > 0) await run.spool.add(answer)
  }

  /** A row has the whole time to itself: a batch that runs out of it is run in parts, down to a row that does so alone. */
  async function transformRows(
    run: Run,
    lease: Lease,
    { rows, from, to }: Slice,
    rowsBefore: number,
  ): Promise<Answered[]> {
    try {
      const packed = rows.pack(from, to)
      let said: string | undefined
      const work = { op: 'rows', names: run.names, rows: packed } as const
      const answer = await lease.ask(run.script, work, (text) => {
        said = text
      })
      return [{ answer, rowsBefore, said }]
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error
      const { failure } = error
      if (failure.kind !== 'timeout' || to - from === 1)
        throw failureToError(to - from === 1 ? { row: 0, ...failure } : failure, {
          etl: run.script.etl,
          rowsBefore,
        })
      const answers: Answered[] = []
      for (const [start, end] of partsOf(from, to, failure.row)) {
        const part = { rows, from: start, to: end }
        answers.push(...(await transformRows(run, lease, part, rowsBefore + start - from)))
      }
      return answers
    }
  }

  async function transformBatch(run: Run, slice: Slice, rowsBefore: number): Promise<Answered[]> {
    const lease = await sandbox.lease('BATCH', run.signal)
    try {
      return await transformRows(run, lease, slice, rowsBefore)
    } finally {
      lease.release()
    }
  }

  /** As many batches at once as there are children, and as many waiting; results are taken in the rows' order. */
  async function transformAll(run: Run): Promise<void> {
    const underway: { answers: Promise<Answered[]>; rowsAfter: number }[] = []
    let rowsBefore = 0

    async function takeOldest(): Promise<void> {
      const oldest = underway.shift()
      if (oldest === undefined) return
      for (const { answer, rowsBefore, said } of await oldest.answers) {
        if (said !== undefined) run.log.add(said)
        await keep(run, answer, rowsBefore)
      }
      run.onProgress?.({ rows: oldest.rowsAfter })
    }

    try {
      for await (const slice of scan(run)) {
        const answers = transformBatch(run, slice, rowsBefore)
        answers.catch(() => undefined)
        rowsBefore += slice.to - slice.from
        underway.push({ answers, rowsAfter: rowsBefore })
        if (underway.length >= 2 * sandbox.size) await takeOldest()
      }
      while (underway.length > 0) await takeOldest()
    } finally {
      await Promise.allSettled(underway.map(({ answers }) => answers))
    }
  }

  /**
   * Batches of rows that fit into one message: fewer rows where their texts are long. Where all are ordered in the end,
   * the engine puts them nearly so, at a tenth of what that costs there.
   */
  async function* scan({ script, inputPath, inputColumns, signal }: Run): AsyncIterable<Slice> {
    const options = {
      columns: inputColumns,
      isOrdered: script.form === 'extract',
      encodeCells: (values: readonly Value[]) => encodeCells(script.etl, values),
      signal,
    }
    for await (const rows of parquet.scanPacked(inputPath, options)) {
      for (let from = 0; from < rows.count; ) {
        const to = rows.endWithin(from, batchBytes)
        yield { rows, from, to }
        from = to
      }
    }
  }

  function frameError(run: Run, error: unknown, rows: number): unknown {
    if (!(error instanceof SandboxError)) return error
    const { failure } = error
    if (failure.kind !== 'memory' && failure.kind !== 'crash')
      return failureToError(failure, { etl: run.script.etl })
    const message = `${failure.message}, with ${rows} rows in hand as extract(rows) wants them all at once; raise it, or write transform(row), which takes any number of rows`
    return failureToError({ ...failure, message }, { etl: run.script.etl, code: 'TOO_LARGE' })
  }

  async function extractAll(run: Run): Promise<void> {
    const lease = await sandbox.lease('FRAME', run.signal)
    let rows = 0
    try {
      rows = await fillFrame(run, lease, (count) => {
        rows = count
      })
      const work = {
        op: 'frameRun',
        spec: specOf(run.inputColumns),
        timeoutMs: timeoutMs * Math.max(1, Math.ceil(rows / takeRows)),
      } as const
      const failed = await lease.ask(run.script, work, run.log.add)
      if (failed !== '') await keep(run, failed, undefined)
      for (;;) {
        const answer = await lease.ask(run.script, { op: 'frameTake', limit: takeRows })
        if (answer === '') break
        await keep(run, answer, undefined)
      }
    } catch (error) {
      await lease.ask(run.script, { op: 'frameDrop' }).catch(() => undefined)
      throw frameError(run, error, rows)
    } finally {
      lease.release()
    }
  }

  async function fillFrame(run: Run, lease: Lease, onRows: (rows: number) => void): Promise<number> {
    let rows = 0
    await lease.load(run.script)
    for await (const { rows: batch, from, to } of scan(run)) {
      rows += to - from
      onRows(rows)
      await lease.ask(run.script, { op: 'frameAdd', names: run.names, rows: batch.pack(from, to) })
      run.onProgress?.({ rows })
    }
    return rows
  }

  /** Those it is to be held in, else its own. */
  function columnsOf({ script, gatherer, outputColumns }: Run): TypedColumn[] {
    if (outputColumns === undefined) return gatherer.finish()
    const error = mismatchError(script.etl, nameDifferences(outputColumns, gatherer.names()))
    if (error !== null) throw error
    return typedColumns(script, outputColumns)
  }

  function misfitIn({ script, outputColumns }: Run, misfit: Misfit, rowsBefore: number): AppError {
    const { column, row, message } = misfit
    const expected = outputColumns?.find(({ name }) => name === column)?.type
    const actual = `a value of row ${rowsBefore + row + 1} that ${message}`
    const mismatch = expected && mismatchError(script.etl, [{ column, expected, actual }])
    return mismatch || misfitError(script.etl, misfit, rowsBefore)
  }

  async function* alignedBatches(run: Run, columns: readonly TypedColumn[]): AsyncIterable<ColumnBatch> {
    const align = createColumnAligner(columns)
    let rowsBefore = 0
    for await (const batch of run.spool.batches()) {
      run.signal?.throwIfAborted()
      yield align(batch, (misfit) => {
        throw misfitIn(run, misfit, rowsBefore)
      })
      rowsBefore += batch.count
    }
  }

  async function write(run: Run): Promise<{ columns: Column[]; rowCount: bigint }> {
    const typed = columnsOf(run)
    if (typed.length === 0) {
      throw new AppError('ETL_FAILED', noColumns(run.script.etl), { details: { etl: run.script.etl } })
    }
    const columns = typed.map(columnOf)
    try {
      const { rowCount } = await parquet.writeColumns({
        path: run.outputPath,
        columns,
        batches: alignedBatches(run, typed),
        signal: run.signal,
      })
      return { columns, rowCount }
    } catch (error) {
      await rm(run.outputPath, { force: true })
      throw error
    }
  }

  return {
    async run(request: ScriptFileRequest): Promise<{ columns: Column[]; rowCount: bigint }> {
      const { script } = request
      const run: Run = {
        ...request,
        names: JSON.stringify(request.inputColumns.map(({ name }) => name)),
        gatherer: createGatherer(script.etl, script.declared),
        spool: createSpool(temporaryFolder),
        log: createScriptLog(),
      }
      try {
        await (script.form === 'extract' ? extractAll(run) : transformAll(run))
        return await write(run)
      } finally {
        const lines = run.log.lines()
        if (lines.length > 0) request.onSaid?.(lines)
        await run.spool.remove()
      }
    },
  }
}

/** What was through in halves, then the row that time ran out in, then the rest; all in halves where that row is not known. */
function partsOf(from: number, to: number, row: number | undefined): [number, number][] {
  const at = from + (row ?? (to - from) >> 1)
  const bounds = row === undefined ? [from, at, to] : [from, from + (row >> 1), at, at + 1, to]
  return bounds
    .slice(1)
    .map((end, i): [number, number] => [bounds[i] ?? from, end])
    .filter(([start, end]) => start < end)
}

function encodeCells(etl: string, values: readonly Value[]): string {
  try {
    return JSON.stringify(values.map((value) => encodeValue(value)))
  } catch (error) {
    if (!(error instanceof TooDeepError)) throw error
    throw failureToError({ kind: 'result', message: error.message }, { etl })
  }
}

function noColumns(etl: string): string {
  return `ETL ${etl} gave no row with a column, so its output has no columns; return at least one, or declare them: export const columns = { name: 'STRING' }`
}
