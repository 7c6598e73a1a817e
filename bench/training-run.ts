// One training query on a gateway of its own: how long it takes, and how far it raises the process's memory.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { watchMemory } from './memory.ts'

export const memoryMb = 2048

export interface Run {
  seconds: number
  /** How far the query raised the process's memory over what it held before, at its peak. */
  risenMb: number
  rows: number
}

/** A gateway of its own, which ends with the query; `settings` beside its port and folder. */
export async function trainOnGateway(
  folder: string,
  { sql, settings = {} }: { sql: string; settings?: Record<string, string> },
): Promise<Run> {
  const dataDir = join(folder, 'gateway')
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      DATA_DIR: dataDir,
      WAREHOUSE_MEMORY_MB: String(memoryMb),
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  try {
    const url = await new Promise<string>((resolve, reject) => {
      exited.then(() => reject(new Error('The gateway ended while it started')))
      createInterface(child.stdout).on('line', (line) => {
        const ready = /Ready\. GraphQL and GraphiQL: (\S+)\/graphql/.exec(line)
        if (ready?.[1]) resolve(ready[1])
      })
    })
    const query = `mutation ($sql: String!) {
      queryTrain(query: $sql, queryName: "bench", save: false, waitMs: 600000) { dataset { rowCount elapsedMs } }
    }`
    const memory = await watchMemory(child.pid)
    const startedAt = performance.now()
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables: { sql } }),
    })
    const answer = (await response.json()) as {
      data?: { queryTrain: { dataset: { rowCount: number } } }
      errors?: unknown
    }
    if (!answer.data) throw new Error(JSON.stringify(answer.errors))
    const seconds = (performance.now() - startedAt) / 1000
    return { seconds, risenMb: await memory.risenMb(), rows: answer.data.queryTrain.dataset.rowCount }
  } finally {
    child.kill('SIGTERM')
    await exited
    await rm(dataDir, { recursive: true, force: true })
  }
}
