// Datasets that a gateway has handed back when it stopped: this one makes them while it has room, be it the same one started again.

import type { Logger } from 'pino'
import { z } from 'zod'
import type { DatasetRecord, Datasets } from '../catalog/datasets.ts'
import { type Repetition, repeat } from '../concurrency/repeat.ts'
import type { EtlSource } from '../etl/source/source.ts'

const lookEveryMs = 2000
/** No more are taken while so many wait here: others may have room. */
const maxWaiting = 20
/** By then whoever created one has its answer or has given it up. */
const heardOfAfterMs = 60_000

export function takeHandedBack(options: {
  datasets: Datasets
  /** How many wait here already. */
  waiting(): number
  /** Whether it is made here, or waits for it. */
  isAtWork(id: string): boolean
  /** Begins to make it; whoever asked for it is not here. */
  resume(dataset: DatasetRecord): void
  log: Logger
}): Repetition {
  const { datasets, waiting, isAtWork, resume, log } = options
  let unheardOf = new Set<string>()

  /** The catalog went away when one became this gateway's: the answer was lost, and nobody makes it. Only what is seen twice. */
  async function giveBackUnheardOf() {
    const queued = await datasets.queuedHere(new Date(Date.now() - heardOfAfterMs))
    const idle = queued.filter((id) => !isAtWork(id))
    for (const id of idle.filter((each) => unheardOf.has(each))) {
      log.warn({ datasetId: id }, 'A dataset that nobody makes, though it is this gateway’s, is handed back')
      await datasets.handBack(id)
    }
    unheardOf = new Set(idle)
  }

  return repeat({
    everyMs: lookEveryMs,
    failure: 'Datasets that were handed back could not be taken up',
    log,
    async turn(signal) {
      await giveBackUnheardOf()
      while (!signal.aborted && waiting() < maxWaiting) {
        const dataset = await datasets.takeHandedBack()
        if (dataset === null) return
        log.info({ datasetId: dataset.id }, 'A dataset that was handed back is made')
        resume(dataset)
      }
    },
  })
}

const source = z.object({
  path: z.string(),
  language: z.enum(['SQL', 'JAVASCRIPT', 'TYPESCRIPT']),
  commit: z.string().nullable(),
  contentSha256: z.string(),
  source: z.string(),
  name: z.string(),
})

/** An ETL that is not in the catalog, as the dataset that it makes carries it. */
export function packUnsavedEtl({ path, language, commit, contentSha256, source: text, name }: EtlSource) {
  return { path, language, commit, contentSha256, source: text, name }
}

export function unpackUnsavedEtl(json: unknown): EtlSource {
  return source.parse(json)
}
