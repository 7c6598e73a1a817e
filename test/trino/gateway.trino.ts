// The promise through the whole gateway, with its warehouse on Trino; and a training query's progress there.

import { expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from '../e2e/gateway.ts'
import { testPromise } from '../e2e/promise.ts'
import { trinoUrl } from './open.ts'

testPromise('Trino', async () => ({
  create: async () => ({ WAREHOUSE_URL: trinoUrl('gateway'), LOOKUP_TIMEOUT_MS: '60000' }),
  stop: async () => {},
}))

test('a training query’s progress in datasetProgress is the engine’s own, and cancelJob stops it', async () => {
  const folder = await createDataFolder('trino-progress')
  const gateway = await startGateway(folder.path, { WAREHOUSE_URL: trinoUrl('reads') })
  try {
    // Sixty million rows, which take longer than two of their progress to be seen and the cancelling to arrive.
    const { queryTrain } = await gateway.data<{ queryTrain: { dataset: { id: string } } }>(
      `mutation { queryTrain(query: "SELECT count(*) AS n, sum(extendedprice) AS s FROM sliced.sf10.lineitem", queryName: "slow", waitMs: 0) { dataset { id } } }`,
      {},
    )
    const { id } = queryTrain.dataset
    const seen: number[] = []
    const events = gateway.follow<{
      datasetProgress: { status: string; progress: number | null; error: string | null }
    }>('subscription ($id: ID!) { datasetProgress(id: $id) { status progress error } }', { id })
    let end = {}
    for await (const { datasetProgress } of events) {
      end = { status: datasetProgress.status, error: datasetProgress.error }
      const { progress } = datasetProgress
      if (progress !== null && progress > 0 && progress < 1) seen.push(progress)
      if (seen.length === 2)
        await gateway.data('mutation ($id: ID!) { cancelJob(id: $id) { __typename } }', { id })
    }
    expect(end).toEqual({ status: 'CANCELLED', error: null })
    expect(seen.length).toBeGreaterThan(1)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  } finally {
    await gateway.stop()
    await folder.remove()
  }
})
