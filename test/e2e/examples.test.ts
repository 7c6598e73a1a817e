// The typed client and the notebook, each as the process that a newcomer would start.

import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { prepareNotebookPython } from '../servers/python.ts'
import { startGateway } from './gateway.ts'
import { openStores, type Stores } from './stores.ts'

const run = promisify(execFile)
const etlFolder = resolve('examples/etl')
const folder = await createDataFolder('examples')
let stores: Stores
let gateway: Awaited<ReturnType<typeof startGateway>>

beforeAll(async () => {
  stores = await openStores()
  gateway = await startGateway(folder.path, {
    ETL_SOURCES: etlFolder,
    ...(await stores.create()),
  })
})

afterAll(async () => {
  await gateway?.stop()
  await stores?.stop()
  await folder.remove()
})

test('the typed client publishes, follows, trains, extracts and looks up', async () => {
  const { stdout } = await run(process.execPath, ['examples/client/main.ts'], {
    env: {
      PATH: process.env.PATH,
      GATEWAY_URL: gateway.url,
      ETL_PATH: `file:${join(etlFolder, 'quote-features.ts')}`,
    },
  })
  expect(stdout).toMatch(/published 200 of 200/)
  expect(stdout).toMatch(/qry_\S+ version 1: \d+ rows/)
  expect(stdout).toMatch(/user_id: STRING/)
  expect(stdout).toMatch(/^\d{2,} users looked up$/m)
})

test('the notebook reads the training data with pandas and finds the same features served', async () => {
  const python = await prepareNotebookPython()
  const { stdout } = await run(python, ['examples/notebook.py'], {
    env: { PATH: process.env.PATH, GATEWAY_URL: gateway.url },
  })
  expect(stdout).toMatch(/training and serving agree/)
}, 300_000)
