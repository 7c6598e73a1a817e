// A process that is killed while it makes a dataset.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Training } from '../../src/training/service.ts'
import { createDataFolder } from '../data-folder.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

interface After {
  datasetId: string
  folder: string
  stack: TrainingStack
  training: Training
}

/** What the next start makes of a dataset whose process was killed. */
async function afterKill(kind: 'extraction' | 'set', look: (after: After) => Promise<void>): Promise<void> {
  const data = await createDataFolder('training')
  const program = fileURLToPath(new URL('./killed.process.ts', import.meta.url))
  const child = spawn(process.execPath, [program, data.path, kind], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const [said] = await once(child.stdout, 'data')
    const [datasetId = '', status] = String(said).trim().split(' ')
    expect(status).toBe('RUNNING')
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
    const stack = await openTrainingStack(data.path)
    const training = stack.training()
    try {
      await training.start()
      await look({ datasetId, folder: data.path, stack, training })
    } finally {
      await training.close()
      await stack.close()
    }
  } finally {
    child.kill('SIGKILL')
    await data.remove()
  }
}

const filesOf = async ({ folder, datasetId }: Pick<After, 'folder' | 'datasetId'>) => {
  const names = await readdir(folder, { recursive: true })
  return names.filter((name) => name.includes(datasetId))
}

test(
  'A dataset that a killed process was making is FAILED at the next start, without a file',
  () =>
    afterKill('extraction', async ({ datasetId, folder, stack, training }) => {
      expect(await stack.catalog.datasets.byId(datasetId)).toMatchObject({
        status: 'FAILED',
        error: expect.stringMatching(/run it again/),
      })
      const states = await Array.fromAsync(training.progress(datasetId))
      expect(states.map((state) => state.status)).toEqual(['FAILED'])
      expect(await filesOf({ folder, datasetId })).toEqual([])
    }),
  240_000,
)

test(
  'A training set that a killed process was making is made by the next, of the rows that came with the request',
  () =>
    afterKill('set', async ({ datasetId, folder, training }) => {
      const states = await Array.fromAsync(training.progress(datasetId))
      expect(states.at(-1)).toMatchObject({ status: 'SUCCEEDED', takeovers: 1 })
      const { rows } = await training.rows(datasetId, { offset: 0, limit: 10 })
      expect(rows).toEqual([
        [3, 6],
        [1, 2],
        [30, null],
      ])
      const left = async () => (await filesOf({ folder, datasetId })).map((name) => name.split('/').at(-1))
      await expect.poll(left).toEqual([`${datasetId}.parquet`])
    }),
  240_000,
)
