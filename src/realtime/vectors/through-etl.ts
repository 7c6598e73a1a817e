// Rows of many requests through one ETL together: what comes while it runs makes the next run larger.

import type { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import { type ServiceEtl, type Transformed, transformRows } from '../../features/service-etl.ts'
import type { Row } from '../../values/columns.ts'

type Results = readonly (Transformed | AppError)[]

interface Waiting {
  rows: readonly Row[]
  resolve(results: Results): void
  reject(error: unknown): void
}

interface Queue {
  waiting: Waiting[]
  running: number
  /** All requests of this turn will have asked by the next one. */
  isDue: boolean
}

/** Runs of one ETL at once. */
const concurrent = 2
/** Rows of a run, unless one request has more: an ETL has so much time for a run. */
const maxRows = 200

/** One result for each row, in order; each goes through by itself, whatever comes with it. */
export function createThroughEtl(etlEngine: Pick<EtlEngine, 'runGroups'>) {
  const queues = new Map<ServiceEtl, Queue>()

  function take(queue: Queue): Waiting[] {
    let rows = 0
    let most = 0
    for (; most < queue.waiting.length; most++) {
      rows += queue.waiting[most]?.rows.length ?? 0
      if (most > 0 && rows > maxRows) break
    }
    return queue.waiting.splice(0, most)
  }

  async function run(through: ServiceEtl, queue: Queue) {
    const batch = take(queue)
    queue.running++
    try {
      const results = await transformRows(etlEngine, { ...through, rows: batch.flatMap(({ rows }) => rows) })
      let next = 0
      for (const { rows, resolve } of batch) {
        resolve(results.slice(next, next + rows.length))
        next += rows.length
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
    queue.running--
    goOn(through, queue)
  }

  function goOn(through: ServiceEtl, queue: Queue) {
    if (queue.waiting.length > 0 && queue.running < concurrent) void run(through, queue)
    else if (queue.waiting.length === 0 && queue.running === 0) queues.delete(through)
  }

  function schedule(through: ServiceEtl, queue: Queue) {
    if (queue.isDue) return
    queue.isDue = true
    setImmediate(() => {
      queue.isDue = false
      goOn(through, queue)
    })
  }

  return (through: ServiceEtl, rows: readonly Row[]): Promise<Results> =>
    new Promise((resolve, reject) => {
      if (rows.length === 0) return resolve([])
      const queue = queues.get(through) ?? { waiting: [], running: 0, isDue: false }
      queues.set(through, queue)
      queue.waiting.push({ rows, resolve, reject })
      schedule(through, queue)
    })
}
