// How a dataset ended, told to a catalog that may be away: nobody else would ever tell.

import type { Logger } from 'pino'
import type { DatasetRecord, Datasets } from '../catalog/datasets.ts'
import { callAgain, doubling, retry, usualDelaysMs } from '../concurrency/retry.ts'
import { AppError } from '../errors.ts'

/** Calls again and again while the catalog is away, until the signal aborts; any other failure is thrown. */
export function whileCatalogIsAway<T>(
  options: { what: string; signal: AbortSignal; log: Logger },
  call: () => Promise<T>,
): Promise<T> {
  return retry({ ...options, delaysMs: usualDelaysMs, passing: catalogAway }, call)
}

const catalogAway = new Set(['CATALOG_UNAVAILABLE'] as const)

type Changes = Parameters<Datasets['update']>[1]
type Made = Pick<DatasetRecord, 'id' | 'takeovers'>

/** The caller is to wait no longer; the end is stored once the catalog is back. */
export class EndNotStored extends Error {
  override readonly name = 'EndNotStored'
}

/**
 * Stores the end by `update`, again and again while the catalog is away. After `patienceMs` it goes on in the
 * background, and EndNotStored is thrown, with the catalog's failure as its cause.
 */
export function createEndStore({
  update,
  isStopping,
  patienceMs,
  log,
}: {
  update(made: Made, changes: Changes): Promise<DatasetRecord>
  isStopping(): boolean
  patienceMs: number
  log: Logger
}) {
  const untold = new Set<string>()

  function tryFor(made: Made, changes: Changes): Promise<DatasetRecord> {
    const deadlineMs = performance.now() + patienceMs
    const delayMs = doubling(100, 2000)
    return callAgain(
      () => update(made, changes),
      (failures, error) => {
        const waitMs = delayMs(failures)
        const isLasting = error instanceof AppError && !isCatalogAway(error)
        if (isLasting || performance.now() + waitMs > deadlineMs) return null
        log.warn({ err: error, datasetId: made.id }, 'How a dataset ended could not be stored; trying again')
        return waitMs
      },
    )
  }

  async function tryUntilStored(made: Made, changes: Changes): Promise<void> {
    untold.add(made.id)
    await tryUntilStopping(made, changes)
    untold.delete(made.id)
  }

  async function tryUntilStopping(made: Made, changes: Changes): Promise<void> {
    while (!isStopping()) {
      try {
        await tryFor(made, changes)
        return
      } catch (error) {
        if (isCatalogAway(error)) continue
        log.error(
          { err: error, datasetId: made.id },
          'How a dataset ended could not be written to the catalog',
        )
        return
      }
    }
  }

  async function storeEnd(made: Made, changes: Changes): Promise<DatasetRecord> {
    try {
      return await tryFor(made, changes)
    } catch (error) {
      if (!isCatalogAway(error)) throw error
      void tryUntilStored(made, changes)
      throw new EndNotStored('The catalog is away', { cause: error })
    }
  }

  return {
    storeEnd,
    /** Whether its end is yet to be stored in the background. */
    isUntold: (id: string) => untold.has(id),
  }
}

function isCatalogAway(error: unknown): boolean {
  return error instanceof AppError && error.code === 'CATALOG_UNAVAILABLE'
}
