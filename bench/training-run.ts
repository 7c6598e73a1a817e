// One training query on a gateway of its own: how long it takes, and how far it raises the process's memory.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

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

/** From here on the peaks of the process and of those that it has started are counted anew. */
export async function watchMemory(pid: number | undefined) {
  const before = new Map<string, number>()
  for (const one of await withDescendants(`${pid}`)) {
    await writeFile(`/proc/${one}/clear_refs`, '5')
    before.set(one, await residentMb(one, 'VmRSS'))
  }
  return {
    /** The sum of the processes' own peaks, which need not have been at one time. */
    async risenMb() {
      let risen = 0
      for (const one of await withDescendants(`${pid}`)) {
        risen += (await residentMb(one, 'VmHWM')) - (before.get(one) ?? 0)
      }
      return risen
    },
  }
}

async function withDescendants(pid: string): Promise<string[]> {
  const lists = await Promise.all(
    (await readdir(`/proc/${pid}/task`)).map((thread) =>
      readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => ''),
    ),
  )
  const children = lists.join(' ').split(' ').filter(Boolean)
  return [pid, ...(await Promise.all(children.map(withDescendants))).flat()]
}

export async function residentMb(pid: string, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
}
