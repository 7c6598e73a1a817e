// Run by killed.test.ts, which kills it: starts an extraction, tells its dataset once it is being made, and goes on.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openTrainingStack } from './training-stack.ts'

const folder = process.argv[2]
if (folder === undefined) throw new Error('Name the folder')
const stack = await openTrainingStack(folder)
const training = stack.training()
const { query } = await training.queryTrain({ sql: 'SELECT 1 AS n', name: 'one', save: true, waitMs: 60_000 })
const etlPath = join(stack.etlFolder, 'endless.sql')
await writeFile(
  etlPath,
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT max(i) AS i FROM n, input',
)
const request = { queryId: query?.id ?? '', etlPath: `file:${etlPath}`, save: true, waitMs: 0 }
const { dataset } = await training.extractTrain(request)
for await (const { id, status } of training.progress(dataset.id)) {
  if (status !== 'QUEUED') process.stdout.write(`${id} ${status}\n`)
}
