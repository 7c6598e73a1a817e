// Datasets whose gateway is gone, on a catalog that several share: training sets are left to the others, all else is failed, so that nobody waits for it.

import type { Logger } from 'pino'
import type { Datasets } from '../catalog/datasets.ts'
import { repeat } from '../concurrency/repeat.ts'
import type { Events } from '../events.ts'
import { leftBehind } from './sweep.ts'

const lookEveryMs = 3000

/** Only what is seen twice is gone: a gateway whose connection was lost is soon seen again. */
export function watchOrphans({ datasets, events, log }: { datasets: Datasets; events: Events; log: Logger }) {
  let seen = new Set<string>()

  async function settle(datasetId: string) {
    if ((await datasets.leaveOrphans(datasetId)) > 0)
      return log.warn({ datasetId }, 'A training set is left to others, since its gateway is gone')
    if (!(await datasets.failOrphan(datasetId, leftBehind))) return
    log.warn({ datasetId }, 'A dataset was failed, since its gateway is gone')
    events.publish('dataset', datasetId, { datasetId })
  }

  return repeat({
    everyMs: lookEveryMs,
    failure: 'Datasets of gateways that are gone could not be found',
    log,
    async turn() {
      const orphans = await datasets.orphans()
      for (const id of orphans.filter((orphan) => seen.has(orphan))) await settle(id)
      seen = new Set(orphans)
    },
  })
}
