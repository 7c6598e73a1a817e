// Runs one publish job batch by batch: append, serve, advance. It may be killed anywhere and run again.

import { setImmediate } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Realtime } from '../realtime/service.ts'
import type { TableRows, Warehouse } from '../warehouse/port.ts'
import { type Cut, cutEvenly, cutGrowing } from './batches.ts'
import { createFlowGenerator, type FlowSource } from './flows.ts'
import { retry } from './retry.ts'

/** Flows that are made between two turns of the event loop. */
const flowsPerTurn = 1000

/** What a job writes: `total` items in batches, each batch the same rows whenever it is asked for. */
export interface Work {
  total: number
  cut: Cut
  rows(from: number, to: number): Promise<readonly TableRows[]>
}

export function createFlowWork(total: number, source: FlowSource): Work {
  const generate = createFlowGenerator(source)
  return {
    total,
    cut: cutGrowing({ first: 250, doublings: 5 }),
    async rows(from, to) {
      const parts: TableRows[] = []
      for (let start = from; start < to; start += flowsPerTurn) {
        parts.push(...generate(start, Math.min(start + flowsPerTurn, to)))
        await setImmediate()
      }
      return joined(parts)
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

export function createRowsWork({ table, columns, rows }: TableRows): Work {
  return {
    total: rows.length,
    cut: cutEvenly(4000),
    rows: async (from, to) => [{ table, columns, rows: rows.slice(from, to) }],
  }
}

/** One batch is served while the next is made and appended, so a killed run leaves at most two that may be written but not done. */
const batchesAtOnce = 2

export interface BatchRun {
  jobId: string
  work: Work
  done: number
  /** The job ran before, in a process that is gone. */
  resumed: boolean
  /** Asked between batches. */
  cancelled: () => boolean
  /** Stores how many items are done; false says that the job was ended meanwhile, from elsewhere. */
  advance: (done: number) => Promise<boolean>
  signal: AbortSignal
}

interface Stores {
  warehouse: Pick<Warehouse, 'append'>
  realtime: Pick<Realtime, 'onAppended'>
  retryDelaysMs: readonly number[]
  log: Logger
}

export type RunEnd = 'SUCCEEDED' | 'CANCELLED' | 'ENDED_ELSEWHERE'

/**
 * Items count as done once they are written and every by-key view serves them, in order. What this run has appended it
 * has served before it ends, also when it fails, unless it is stopped: then the next run repeats it. A resumed run first
 * repeats the batches that the run before may have appended without serving them, even if it is to be cancelled: the
 * warehouse answers that they are there, and they are served.
 */
export async function runBatches(stores: Stores, run: BatchRun): Promise<RunEnd> {
  const { work, signal } = run
  const { appendBatch, serveBatch } = createSteps(stores, run)
  const first = work.cut.batchAt(run.done)
  const mayCancelFrom = run.resumed ? first + batchesAtOnce : first
  let serving = Promise.resolve(true)
  try {
    for (let batch = first; work.cut.start(batch) < work.total; batch++) {
      if (batch >= mayCancelFrom && run.cancelled()) {
        return (await serving) ? 'CANCELLED' : 'ENDED_ELSEWHERE'
      }
      signal.throwIfAborted()
      const appended = await appendBatch(batch)
      let counts = false
      try {
        counts = await serving
      } finally {
        serving = serveBatch(appended, counts)
        serving.catch(() => {})
      }
      if (!counts) return 'ENDED_ELSEWHERE'
    }
    return (await serving) ? 'SUCCEEDED' : 'ENDED_ELSEWHERE'
  } finally {
    await serving.catch(() => {})
  }
}

interface AppendedBatch {
  end: number
  version: number
  tables: readonly TableRows[]
}

function createSteps({ warehouse, realtime, retryDelaysMs, log }: Stores, run: BatchRun) {
  const { jobId, work, signal } = run
  const retryOptions = { delaysMs: retryDelaysMs, signal, log }

  async function appendBatch(batch: number): Promise<AppendedBatch> {
    const end = Math.min(work.cut.start(batch + 1), work.total)
    const tables = await work.rows(work.cut.start(batch), end)
    const { version } = await retry({ ...retryOptions, what: 'Appending a batch to the warehouse' }, () =>
      warehouse.append({ jobId, batch, tables }),
    )
    return { end, version, tables }
  }

  /** Does not count when the batch before was not served, or the job has been ended. */
  async function serveBatch({ end, version, tables }: AppendedBatch, counts: boolean): Promise<boolean> {
    await retry({ ...retryOptions, what: 'Refreshing the feature views' }, () =>
      realtime.onAppended({ version, tables }),
    )
    return counts && run.advance(end)
  }

  return { appendBatch, serveBatch }
}
