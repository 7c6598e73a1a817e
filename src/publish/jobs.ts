// Runs one publish job batch by batch: append, serve, advance. It may be killed anywhere and run again.

import { setImmediate } from 'node:timers/promises'
import { type RetryOptions, retry } from '../concurrency/retry.ts'
import { createFlowGenerator, type FlowSource } from '../demo/flows.ts'
import type { Change } from '../realtime/materialize/refresh.ts'
import type { Realtime } from '../realtime/service.ts'
import type {
  AppendRequest,
  AppendResult,
  KeyColumns,
  TableFiles,
  TableRows,
  Warehouse,
} from '../warehouse/port.ts'
import { type Cut, cutEvenly, cutGrowing } from './batches.ts'
import type { UnpackedRows } from './ingest.ts'

/** Flows that are made between two turns of the event loop. */
const flowsPerTurn = 1000

/** What a job writes: `total` items in batches, each batch the same rows whenever it is asked for. */
export interface Work {
  total: number
  cut: Cut
  batch(from: number, to: number): Promise<Batch>
}

type Named = Pick<AppendRequest, 'jobId' | 'batch'> & { keys: readonly KeyColumns[] }

export interface Batch {
  /** Those that it writes to. */
  tables: readonly string[]
  append(warehouse: Pick<Warehouse, 'append' | 'appendFiles'>, named: Named): Promise<AppendResult>
}

function batchOf(tables: readonly TableRows[]): Batch {
  return {
    tables: tables.map(({ table }) => table),
    append: (warehouse, named) => warehouse.append({ ...named, tables }),
  }
}

export function createFlowWork(total: number, source: FlowSource): Work {
  const generate = createFlowGenerator(source)
  return {
    total,
    cut: cutGrowing({ first: 250, doublings: 5 }),
    async batch(from, to) {
      const parts: TableRows[] = []
      for (let start = from; start < to; start += flowsPerTurn) {
        parts.push(...generate(start, Math.min(start + flowsPerTurn, to)))
        await setImmediate()
      }
      return batchOf(joined(parts))
    },
  }
}

/** Each table once, its rows in their order. */
function joined(parts: readonly TableRows[]): TableRows[] {
  const byTable = Map.groupBy(parts, ({ table }) => table)
  return [...byTable.values()].flatMap((own) => {
    const [first] = own
    return first === undefined ? [] : [{ ...first, rows: own.flatMap(({ rows }) => rows) }]
  })
}

/** All of an application's rows at once, in one transaction: what the warehouse refuses of them only when they are written, it refuses of all. */
export function createRowsWork({ parts, inBatches }: UnpackedRows): Work {
  const total = parts.reduce((sum, { rows }) => sum + rows.length, 0)
  return {
    total,
    cut: cutEvenly(inBatches ? 4000 : total),
    batch: async (from, to) =>
      batchOf(inBatches ? parts.map((part) => ({ ...part, rows: part.rows.slice(from, to) })) : parts),
  }
}

/** The same, of rows that are in files. */
export function createFilesWork(tables: readonly TableFiles[]): Work {
  const total = tables.reduce((sum, { rowCount }) => sum + rowCount, 0)
  return {
    total,
    cut: cutEvenly(total),
    batch: async () => ({
      tables: tables.map(({ table }) => table),
      append: (warehouse, named) => warehouse.appendFiles({ ...named, tables, maxKeys }),
    }),
  }
}

/** Views that are refreshed by key are refreshed whole where more keys than these were touched. */
const maxKeys = 100_000

/** One batch is served while the next is made and appended, so a killed run leaves at most two that may be written but not done. */
const batchesAtOnce = 2

export interface BatchRun {
  jobId: string
  work: Work
  done: number
  /** The job ran before, in a process that is gone. */
  resumed: boolean
  /** Aborts when it is to be cancelled. */
  cancelled: AbortSignal
  /** Stores how many items are done; false says that the job was ended meanwhile, from elsewhere. */
  advance: (done: number) => Promise<boolean>
  signal: AbortSignal
}

interface Stores {
  warehouse: Pick<Warehouse, 'append' | 'appendFiles'>
  realtime: Pick<Realtime, 'keysRead' | 'onAppended'>
  waiting: Omit<RetryOptions, 'what' | 'signal'>
}

export type RunEnd = 'SUCCEEDED' | 'CANCELLED' | 'ENDED_ELSEWHERE'

/**
 * Items count as done once they are written and every by-key view serves them, in order. What this run has appended it
 * has served before it ends, also when it fails, unless it is stopped: then the next run repeats it. A resumed run first
 * repeats the batches that the run before may have appended without serving them; one that is to be cancelled asks the
 * warehouse whether they are there, writes none, and serves those that are.
 */
export async function runBatches(stores: Stores, run: BatchRun): Promise<RunEnd> {
  const { work, signal, cancelled } = run
  const { appendBatch, findBatch, serveBatch } = createSteps(stores, run)
  const first = work.cut.batchAt(run.done)
  const mayCancelFrom = run.resumed ? first + batchesAtOnce : first
  let serving = Promise.resolve(true)
  let isToEnd = false
  try {
    for (let batch = first; work.cut.start(batch) < work.total; batch++) {
      signal.throwIfAborted()
      isToEnd = cancelled.aborted
      const mayBeThere = batch < mayCancelFrom
      const appended = isToEnd ? mayBeThere && (await findBatch(batch)) : await appendBatch(batch)
      if (!appended) return (await serving) ? 'CANCELLED' : 'ENDED_ELSEWHERE'
      let counts = false
      try {
        counts = await serving
      } finally {
        serving = serveBatch(appended, counts)
        serving.catch(() => {})
      }
      if (!counts) return 'ENDED_ELSEWHERE'
    }
    if (!(await serving)) return 'ENDED_ELSEWHERE'
    return isToEnd ? 'CANCELLED' : 'SUCCEEDED'
  } finally {
    await serving.catch(() => {})
  }
}

interface AppendedBatch {
  end: number
  change: Change
}

function createSteps({ warehouse, realtime, waiting }: Stores, run: BatchRun) {
  const { jobId, work, signal, cancelled } = run

  /** Of a batch that is there already the warehouse tells what it changed. */
  async function write(batch: number, until: AbortSignal): Promise<AppendedBatch> {
    const end = Math.min(work.cut.start(batch + 1), work.total)
    const { tables, append } = await work.batch(work.cut.start(batch), end)
    const retrying = { ...waiting, signal: until, what: 'Appending a batch to the warehouse' }
    const change = await retry(retrying, async () => {
      return append(warehouse, { jobId, batch, keys: await realtime.keysRead(tables) })
    })
    return { end, change }
  }

  /** Null when it was cancelled before it was written. */
  async function appendBatch(batch: number): Promise<AppendedBatch | null> {
    try {
      return await write(batch, AbortSignal.any([signal, cancelled]))
    } catch (error) {
      if (signal.aborted || error !== cancelled.reason) throw error
      return findBatch(batch)
    }
  }

  /**
   * Null when it is not there. A try of it whose answer was lost may have written it, or still be about to: an append of
   * nothing under its name tells the former, and from then on nothing else is written under that name.
   */
  async function findBatch(batch: number): Promise<AppendedBatch | null> {
    const { applied } = await retry({ ...waiting, signal, what: 'Asking the warehouse for a batch' }, () =>
      warehouse.append({ jobId, batch, tables: [] }),
    )
    return applied ? null : write(batch, signal)
  }

  /** Does not count when the batch before was not served, or the job has been ended. */
  async function serveBatch({ end, change }: AppendedBatch, counts: boolean): Promise<boolean> {
    await retry({ ...waiting, signal, what: 'Refreshing the feature views' }, () =>
      realtime.onAppended(change),
    )
    return counts && run.advance(end)
  }

  return { appendBatch, findBatch, serveBatch }
}
