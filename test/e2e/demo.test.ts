// What a newcomer runs first: the demo, as they would start it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createFolder } from '../servers/child.ts'

test('the demo tells the whole story, goes on serving, and ends on Ctrl-C', async () => {
  const folder = await createFolder('demo')
  const child = spawn('npm', ['run', '--silent', 'demo'], {
    env: { ...process.env, DATA_DIR: folder.path, PORT: '0' },
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
  await folder.remove()
}, 120_000)
