// The typed client and the notebook, each as the process that a newcomer would start.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
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

/** A Python with the notebook's requirements, made once under node_modules. */
async function preparePython(): Promise<string> {
  const environment = resolve('node_modules/.cache/notebook-python')
  const python = join(environment, 'bin', 'python')
  const ready = join(environment, 'ready')
  if (!existsSync(ready)) {
    await run('python3', ['-m', 'venv', environment])
    const requirements = ['--requirement', 'examples/requirements.txt']
    // Of the many modules the notebook loads few: those are compiled when it does.
    await run(python, ['-m', 'pip', 'install', '--quiet', '--no-compile', ...requirements])
    await run('touch', [ready])
  }
  return python
}

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
  const python = await preparePython()
  const { stdout } = await run(python, ['examples/notebook.py'], {
    env: { PATH: process.env.PATH, GATEWAY_URL: gateway.url },
  })
  expect(stdout).toMatch(/training and serving agree/)
}, 300_000)
