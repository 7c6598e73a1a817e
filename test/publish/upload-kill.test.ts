// A process that uploads rows and writes them, killed at random moments and run again: in the end each row is there once, and served.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { testLog } from '../parts.ts'
import { openGateway } from './gateway.ts'

const rows = 60_000
const folder = await createDataFolder('upload-kill')
const file = join(folder.path, 'rows.parquet')

beforeAll(async () => {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  await connection.run(
    `COPY (SELECT 'u' || n % 2000 AS user_id, 'q' || n AS quote_id, n % 2 = 0 AS is_binded, n::DOUBLE AS creation_date
      FROM range(${rows}) r(n)) TO '${file}' (FORMAT parquet)`,
  )
  connection.closeSync()
})

afterAll(() => folder.remove())

/** Until its end, or until it is killed, so long after a line of its output. */
async function runProcess(after: 'ready' | 'accepted', killAfterMs: number | null): Promise<string[]> {
  const script = join(import.meta.dirname, 'uploader.process.ts')
  const orders = { folder: folder.path, file, contentType: 'application/vnd.apache.parquet' }
  const child = spawn(process.execPath, [script, JSON.stringify(orders)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const told: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    told.push(line)
    if (line === after && killAfterMs !== null) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  }
  await exited
  return told
}

test('an upload that is killed again and again is written once', { timeout: 300_000 }, async () => {
  for (const after of ['ready', 'ready', 'accepted', 'accepted'] as const)
    await runProcess(after, Math.random() * 400)
  expect((await runProcess('ready', null)).at(-1)).toBe('SUCCEEDED')

  const gateway = await openGateway({ folder: folder.path, log: testLog() })
  try {
    const { view } = await gateway.serveSample()
    const { rows: found } = await gateway.warehouse.lookup({
      sql: 'SELECT 1 AS one, count(*)::INTEGER AS c, count(DISTINCT quote_id)::INTEGER AS d FROM feature_store.quotes',
      key: ['one'],
      values: [[1]],
    })
    expect(found).toEqual([[1, rows, rows]])
    expect(await gateway.catalog.prisma.publishJob.count()).toBe(1)
    expect(await gateway.realtime.parity(view.id, 50)).toMatchObject({ mismatched: 0, missing: 0, extra: 0 })
    expect(await gateway.catalog.publishJobs.uploads()).toEqual([])
    // What a killed process received and never gave to a job is left to the sweep.
    await gateway.uploads.sweep(async () => [], 0)
    expect(await readdir(join(folder.path, 'datasets', 'uploads'))).toEqual([])
  } finally {
    await gateway.close()
  }
})
