// Which of the views that lookups have made are asked for: one that is not for a while is kept current by no publish, and goes after a week.

import type { Logger } from 'pino'
import type { FeatureViewRecord, FeatureViews } from '../catalog/feature-views.ts'
import { forEachOf, type Repetition, repeat } from '../concurrency/repeat.ts'
import { AppError } from '../errors.ts'

/** A view's use is written down so often at most, over all gateways. */
const notedEveryMs = 10 * 60_000
/** Of a gateway that has just noted one, the others learn within this. */
const idleAfterMs = 3 * notedEveryMs
const removedAfterMs = 7 * 24 * 3_600_000
const sweepEveryMs = 3_600_000

type Use = Pick<FeatureViewRecord, 'implicit' | 'lastUsedAt' | 'createdAt'>

function unusedForMs({ lastUsedAt, createdAt }: Use): number {
  return Date.now() - (lastUsedAt ?? createdAt).getTime()
}

/** Whether it is made on first use, and nobody asks for it now. */
export function isIdle(record: Use): boolean {
  return record.implicit && unusedForMs(record) > idleAfterMs
}

/** Whether somebody who asks for it now is to be noted. */
export function isUseDue(record: Use): boolean {
  return record.implicit && (record.lastUsedAt === null || unusedForMs(record) > notedEveryMs)
}

/** Has those removed, now and from now on, that nobody has asked for in a week. */
export function sweepUnused(options: {
  featureViews: Pick<FeatureViews, 'unused'>
  remove: (id: string) => Promise<void>
  log: Logger
}): Repetition {
  const { featureViews, remove, log } = options
  return repeat({
    everyMs: sweepEveryMs,
    failure: 'Feature views that nobody uses could not be removed',
    log,
    async turn(signal) {
      const unused = await featureViews.unused(new Date(Date.now() - removedAfterMs))
      await forEachOf(unused, signal, async (id) => {
        await remove(id).catch((error: unknown) => {
          // Another gateway was faster.
          if (!(error instanceof AppError) || error.code !== 'NOT_FOUND') throw error
        })
        log.info(
          { featureViewId: id },
          'A feature view made on first use is removed: nobody asked for it in a week',
        )
      })
    },
  })
}
