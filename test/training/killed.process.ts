// Run by killed.test.ts, which kills it: starts an extraction, or a training set whose warehouse does not answer, tells its dataset once it is being made, and goes on.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Training } from '../../src/training/service.ts'
import { resolving } from './resolving.ts'
import { openTrainingStack } from './training-stack.ts'

const folder = process.argv[2]
if (folder === undefined) throw new Error('Name the folder')
const stack = await openTrainingStack(folder)

async function startExtraction(): Promise<{ training: Training; id: string }> {
  const training = stack.training()
  const { query } = await training.queryTrain({
    sql: 'SELECT 1 AS n',
    name: 'one',
    save: true,
    waitMs: 60_000,
  })
  const etlPath = join(stack.etlFolder, 'endless.sql')
  await writeFile(
    etlPath,
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT max(i) AS i FROM n, input',
  )
  const request = { queryId: query?.id ?? '', etlPath: `file:${etlPath}`, save: true, waitMs: 0 }
  const { dataset } = await training.extractTrain(request)
  return { training, id: dataset.id }
}

async function startSet(): Promise<{ training: Training; id: string }> {
  const sql = 'SELECT k, k * 2 AS twice FROM range(10) t(k)'
  const { columns } = await stack.warehouse.describe(sql)
  const query = await stack.catalog.savedQueries.save({ name: 'twice', sql, columns })
  const view = { name: 'twice', queryId: query.id, etlId: null, indexKeys: ['k'] }
  await stack.catalog.featureViews.create({ ...view, refresh: 'MANUAL', tables: [] })
  const never = () => new Promise<never>(() => undefined)
  const training = stack.training({ warehouse: { ...stack.warehouse, exportParquet: never, lookup: never } })
  const { dataset } = await training.createTrainingSet({
    spine: { rows: [{ k: 3 }, { k: 1 }, { k: 30 }] },
    resolve: resolving(stack, [{ view: 'twice', features: null, prefix: null, keys: [] }]),
    name: null,
    timestampColumn: 'event_timestamp',
    knownAsOf: false,
    waitMs: 0,
  })
  return { training, id: dataset.id }
}

const { training, id: datasetId } = await (process.argv[3] === 'set' ? startSet() : startExtraction())
for await (const { id, status } of training.progress(datasetId)) {
  if (status !== 'QUEUED') process.stdout.write(`${id} ${status}\n`)
}
