// A script over a whole Parquet file: rows in, batches through the sandbox in parallel and in order, Parquet out.

import { rm } from 'node:fs/promises'
import type { Column, Row } from '../columns.ts'
import { AppError } from '../errors.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import { SandboxError } from './child-process.ts'
import { failureToError } from './failure.ts'
import { createRowsEncoder, type RowsEncoder } from './input.ts'
import type { Header } from './isolate/collect.ts'
import type { Failure } from './isolate/harness.ts'
import { createAligner, createGatherer, type Gatherer, misfitError } from './output.ts'
import { columnOf, type PlannedColumn } from './plan.ts'
import type { FileRequest } from './request.ts'
import type { Lease, Sandbox } from './sandbox.ts'
import type { LoadedScript } from './script-load.ts'
import { createSpool, type Spool } from './spool.ts'

const batchRows = 4096
const batchLength = 8_000_000

export interface ScriptFileRequest extends Omit<FileRequest, 'etl'> {
  script: LoadedScript
}

export interface ScriptFileOptions {
  parquet: ParquetEngine
  sandbox: Sandbox
  timeoutMs: number
  temporaryFolder: string
}

/** A batch's answer, and how many rows came before it. */
interface BatchText {
  text: string
  rowsBefore: number
}

interface Run extends ScriptFileRequest {
  encoder: RowsEncoder
  gatherer: Gatherer
  spool: Spool
}

export function createScriptFiles({ parquet, sandbox, timeoutMs, temporaryFolder }: ScriptFileOptions) {
  /** Takes the results of a batch that began after `rowsBefore` rows. */
  async function keep(run: Run, text: string, rowsBefore: number | undefined): Promise<void> {
    const end = text.indexOf('\n')
    const header: Header | { failure: Failure } = JSON.parse(end === -1 ? text : text.slice(0, end))
    if ('failure' in header) {
      throw failureToError(header.failure, {
        etl: run.script.etl,
        ...(rowsBefore === undefined ? {} : { rowsBefore }),
      })
    }
    run.gatherer.add(header)
    if (header.count > 0) await run.spool.add(header.keys, text.slice(end + 1))
  }

  /** A row has the whole time to itself: when a batch runs out of it, what was through and what was not are run apart. */
  async function transformRows(
    run: Run,
    lease: Lease,
    rows: readonly Row[],
    rowsBefore: number,
  ): Promise<BatchText[]> {
    try {
      const text = JSON.stringify(run.encoder.encode(rows))
      return [{ text: await lease.ask(run.script, { op: 'rows', spec: run.encoder.spec, text }), rowsBefore }]
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error
      const { kind, row = 0 } = error.failure
      if (kind !== 'timeout' || row === 0)
        throw failureToError(error.failure, { etl: run.script.etl, rowsBefore })
      const texts: BatchText[] = []
      for (const [from, to] of [
        [0, row >> 1],
        [row >> 1, row],
        [row, rows.length],
      ] as const) {
        if (from < to)
          texts.push(...(await transformRows(run, lease, rows.slice(from, to), rowsBefore + from)))
      }
      return texts
    }
  }

  async function transformBatch(run: Run, rows: readonly Row[], rowsBefore: number): Promise<BatchText[]> {
    const lease = await sandbox.lease('BATCH', run.signal)
    try {
      return await transformRows(run, lease, rows, rowsBefore)
    } finally {
      lease.release()
    }
  }

  /** As many batches at once as there are children, and as many waiting; results are taken in the rows' order. */
  async function transformAll(run: Run): Promise<void> {
    const underway: { texts: Promise<BatchText[]>; rowsAfter: number }[] = []
    let rowsBefore = 0

    async function takeOldest(): Promise<void> {
      const oldest = underway.shift()
      if (oldest === undefined) return
      for (const { text, rowsBefore } of await oldest.texts) await keep(run, text, rowsBefore)
      run.onProgress?.(oldest.rowsAfter)
    }

    try {
      for await (const rows of scan(run)) {
        const texts = transformBatch(run, rows, rowsBefore)
        texts.catch(() => undefined)
        rowsBefore += rows.length
        underway.push({ texts, rowsAfter: rowsBefore })
        if (underway.length >= 2 * sandbox.size) await takeOldest()
      }
      while (underway.length > 0) await takeOldest()
    } finally {
      await Promise.allSettled(underway.map(({ texts }) => texts))
    }
  }

  /** Batches of rows that fit into one message: fewer rows where their texts are long. */
  async function* scan({ inputPath, inputColumns, signal }: Run): AsyncIterable<readonly Row[]> {
    const texts = inputColumns.flatMap(({ type }, i) =>
      ['STRING', 'BYTES', 'JSON'].includes(type) ? [i] : [],
    )
    for await (const rows of parquet.scan(inputPath, { columns: inputColumns, batchRows, signal }))
      yield* splitByLength(rows, texts)
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
      const failed = await lease.ask(run.script, {
        op: 'frameRun',
        timeoutMs: timeoutMs * Math.max(1, Math.ceil(rows / batchRows)),
      })
      if (failed !== '') await keep(run, failed, undefined)
      for (;;) {
        const text = await lease.ask(run.script, { op: 'frameTake', limit: batchRows })
        if (text === '') break
        await keep(run, text, undefined)
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
    for await (const batch of scan(run)) {
      rows += batch.length
      onRows(rows)
      await lease.ask(run.script, {
        op: 'frameAdd',
        spec: run.encoder.spec,
        text: JSON.stringify(run.encoder.encode(batch)),
      })
      run.onProgress?.(rows)
    }
    return rows
  }

  async function* alignedBatches(run: Run, columns: readonly PlannedColumn[]): AsyncIterable<readonly Row[]> {
    const align = createAligner(columns)
    let rowsBefore = 0
    for await (const { keys, rows } of run.spool.batches()) {
      run.signal?.throwIfAborted()
      yield align(keys, rows, (misfit) => {
        throw misfitError(run.script.etl, misfit, rowsBefore)
      })
      rowsBefore += rows.length
    }
  }

  async function write(run: Run): Promise<{ columns: Column[]; rowCount: bigint }> {
    const planned = run.gatherer.finish()
    if (planned.length === 0) {
      throw new AppError('ETL_FAILED', noColumns(run.script.etl), { details: { etl: run.script.etl } })
    }
    const columns = planned.map(columnOf)
    try {
      const { rowCount } = await parquet.writeFrames({
        path: run.outputPath,
        columns,
        batches: alignedBatches(run, planned),
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
        encoder: createRowsEncoder(request.inputColumns),
        gatherer: createGatherer(script.etl, script.declared),
        spool: createSpool({ folder: temporaryFolder }),
      }
      try {
        await (script.form === 'extract' ? extractAll(run) : transformAll(run))
        return await write(run)
      } finally {
        await run.spool.remove()
      }
    },
  }
}

function* splitByLength(rows: readonly Row[], texts: readonly number[]): Iterable<readonly Row[]> {
  let from = 0
  let length = 0
  for (let i = 0; i < rows.length; i++) {
    for (const text of texts) {
      const cell = rows[i]?.[text]
      if (typeof cell === 'string' || cell instanceof Uint8Array) length += cell.length
    }
    if (length < batchLength || i + 1 === rows.length) continue
    yield rows.slice(from, i + 1)
    from = i + 1
    length = 0
  }
  yield from === 0 ? rows : rows.slice(from)
}

function noColumns(etl: string): string {
  return `ETL ${etl} gave no row with a column, so its output has no columns; return at least one, or declare them: export const columns = { name: 'STRING' }`
}
