// Run by full-disk.test.ts in a process that may write only small files: a large dataset, then a small one.

import { readdir } from 'node:fs/promises'
import { AppError } from '../../src/errors.ts'
import { openTrainingStack } from './training-stack.ts'

const folder = process.argv[2]
if (folder === undefined) throw new Error('Name the folder')
const stack = await openTrainingStack(folder)
const training = stack.training()

async function attempt(sql: string) {
  try {
    const { dataset } = await training.queryTrain({ sql, name: 'a query', save: false, waitMs: 60_000 })
    return { status: dataset.status }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { code: error.code, message: error.message }
  }
}

const large = await attempt('SELECT random() AS a, random() AS b FROM range(8000000)')
const names = await readdir(folder, { recursive: true })
const files = names.filter((name) => name.includes('.parquet'))
const small = await attempt('SELECT 1 AS a')
await training.close()
await stack.close()
process.stdout.write(`${JSON.stringify({ large, files, small })}\n`)
