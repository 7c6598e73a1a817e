// One training query on a gateway of its own: how long it takes, and how far it raises the process's memory.

import { startGateway } from './gateway.ts'
import { watchMemory } from './memory.ts'

export const memoryMb = 2048

export interface Run {
  seconds: number
  /** How far the query raised the process's memory over what it held before, at its peak. */
  risenMb: number
  rows: number
}

export async function trainOnGateway(sql: string, settings: Record<string, string> = {}): Promise<Run> {
  const gateway = await startGateway({ WAREHOUSE_MEMORY_MB: `${memoryMb}`, ...settings })
  try {
    const memory = await watchMemory(gateway.pid)
    const startedAtMs = performance.now()
    const { queryTrain } = await gateway.data<{ queryTrain: { dataset: { rowCount: number } } }>(
      `mutation ($sql: String!) {
        queryTrain(query: $sql, queryName: "bench", save: false, waitMs: 600000) { dataset { rowCount } }
      }`,
      { sql },
    )
    const seconds = (performance.now() - startedAtMs) / 1000
    return { seconds, risenMb: await memory.risenMb(), rows: queryTrain.dataset.rowCount }
  } finally {
    await gateway.stop()
  }
}
