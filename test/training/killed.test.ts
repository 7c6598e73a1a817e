// A process that is killed while it makes a dataset.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { openTrainingStack } from './training-stack.ts'

test('A dataset that a killed process was making is FAILED at the next start, without a file', async () => {
  const folder = await createDataFolder('training')
  const program = fileURLToPath(new URL('./killed.process.ts', import.meta.url))
  const child = spawn(process.execPath, [program, folder.path], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const [said] = await once(child.stdout, 'data')
    const [datasetId = '', status] = String(said).trim().split(' ')
    expect(status).toBe('RUNNING')
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
    const stack = await openTrainingStack(folder.path)
    const training = stack.training()
    try {
      await training.start()
      expect(await stack.catalog.datasets.byId(datasetId)).toMatchObject({
        status: 'FAILED',
        error: expect.stringMatching(/run it again/),
      })
      const states = await Array.fromAsync(training.progress(datasetId))
      expect(states.map((state) => state.status)).toEqual(['FAILED'])
      const names = await readdir(folder.path, { recursive: true })
      expect(names.filter((name) => name.includes(datasetId))).toEqual([])
    } finally {
      await training.close()
      await stack.close()
    }
  } finally {
    child.kill('SIGKILL')
    await folder.remove()
  }
}, 180_000)
