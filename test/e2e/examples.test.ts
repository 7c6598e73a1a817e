// What a newcomer runs first: the demo, the typed client and the notebook, each as the process that they would start.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFolder } from '../servers/child.ts'
import { startGateway } from './gateway.ts'

const run = promisify(execFile)
const etlFolder = resolve('examples/etl')
const folder = await createFolder('examples')
let gateway: Awaited<ReturnType<typeof startGateway>>

beforeAll(async () => {
  gateway = await startGateway(join(folder.path, 'data'), { ETL_SOURCES: etlFolder })
})

afterAll(async () => {
  await gateway?.stop()
  await folder.remove()
})

/** A Python with the notebook's requirements, made once under node_modules. */
async function preparePython(): Promise<string> {
  const environment = resolve('node_modules/.cache/notebook-python')
  const python = join(environment, 'bin', 'python')
  const ready = join(environment, 'ready')
  if (!existsSync(ready)) {
    await run('python3', ['-m', 'venv', environment])
    await run(python, ['-m', 'pip', 'install', '--quiet', '--requirement', 'examples/requirements.txt'])
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

test('the demo tells the whole story, goes on serving, and ends on Ctrl-C', async () => {
  const child = spawn('npm', ['run', '--silent', 'demo'], {
    env: { ...process.env, DATA_DIR: join(folder.path, 'demo'), PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk
  })
  const exited = once(child, 'exit')
  await new Promise<void>((done, fail) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk
      if (/goes on serving until Ctrl-C/.test(output) && /Health +http/.test(output)) done()
    })
    exited.then(() => fail(new Error(`The demo ended early:\n${output}`)))
  })
  expect(output).toMatch(/100%.*1000\/1000 flows/)
  expect(output).toMatch(/100 answers in [\d.]+ ms: 100 from ONLINE/)
  const parity = [...output.matchAll(/│\s*(\d+)\s*│\s*(\d+)\s*│\s*(\d+)\s*│\s*(\d+)\s*│$/gm)].map((row) =>
    row.slice(1, 5),
  )
  expect(parity.length).toBe(2)
  for (const [sampled, ...differences] of parity) {
    expect(Number(sampled)).toBeGreaterThan(100)
    expect(differences).toEqual(['0', '0', '0'])
  }
  const url = /Health +(http\S+)\/readyz/.exec(output)?.[1]
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  process.kill(-(child.pid ?? Number.NaN), 'SIGINT')
  await exited
  await expect(fetch(`${url}/readyz`)).rejects.toThrow()
}, 120_000)
