// The training service on its real stores.

import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createTraining, type TrainingOptions } from '../../src/training/service.ts'
import { trainLimits } from '../limits.ts'
import { openParts } from '../parts.ts'

export type TrainingStack = Awaited<ReturnType<typeof openTrainingStack>>

/** Opens every store in the folder; opened a second time after `close`, it is the gateway started again. */
export async function openTrainingStack(folder: string, warehouseUrl = 'duckdb:') {
  const parts = await openParts({ folder, warehouseUrl })
  return {
    ...parts,
    training(options: Partial<TrainingOptions> = {}) {
      return createTraining({
        ...parts,
        metrics: createMetrics(),
        concurrency: 2,
        timeoutMs: 60_000,
        limits: trainLimits,
        maxQueued: 100,
        retention: { maxAgeMs: null, maxBytes: null },
        ...options,
      })
    },
  }
}
