// A publishing process killed at random moments, again and again: what it leaves in the end is what a run without kills leaves.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, it } from 'vitest'
import { encodeFrame } from '../../src/values/columns.ts'
import { createDataFolder } from '../data-folder.ts'
import { testLog } from '../parts.ts'
import { tries } from '../thorough.ts'
import { openGateway } from './gateway.ts'

const folders: Awaited<ReturnType<typeof createDataFolder>>[] = []

async function newFolder(): Promise<string> {
  const folder = await createDataFolder('publish-kill')
  folders.push(folder)
  return folder.path
}

afterAll(async () => {
  await Promise.all(folders.map((folder) => folder.remove()))
})

/** As often as chance gives. */
const kills = tries({ all: 5, part: 3 })
const jobs = [
  { nFlows: 3000 * kills, seed: 11 },
  { nFlows: 3000, seed: 12 },
]
const total = jobs.reduce((sum, { nFlows }) => sum + nFlows, 0)

interface Ended {
  /** The process came to its own end. */
  finished: boolean
  done: Map<string, number>
}

/** Runs the process until it ends, or until `killWhen` says so of the flows done, then `killAfterMs` later. */
async function runProcess(
  folder: string,
  killWhen: (done: number) => boolean,
  killAfterMs: number,
): Promise<Ended> {
  const script = join(import.meta.dirname, 'publisher.process.ts')
  const child = spawn(process.execPath, [script, JSON.stringify({ folder, jobs })], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const complaints: string[] = []
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk.toString()))
  const exited = once(child, 'exit')
  const done = new Map<string, number>()
  let killing = false
  for await (const line of createInterface({ input: child.stdout })) {
    const told = JSON.parse(line) as { jobId?: string; done?: number }
    if (told.jobId !== undefined) done.set(told.jobId, told.done ?? 0)
    const sum = [...done.values()].reduce((a, b) => a + b, 0)
    if (killing || !killWhen(sum)) continue
    killing = true
    setTimeout(() => kill(child), killAfterMs)
  }
  const [code, signal] = await exited
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`The process failed: ${complaints.join('')}`)
  return { finished: code === 0, done }
}

function kill(child: ChildProcess) {
  child.kill('SIGKILL')
}

const tables = ['users', 'quotes', 'transactions', 'policies'] as const

/** What a folder holds in the end: each table whole, the jobs, and whether every user is served what training sees. */
async function inspect(folder: string) {
  const gateway = await openGateway({ folder, log: testLog() })
  try {
    const { query, view } = await gateway.serveSample()
    const contents: Record<string, { rows: number; distinct: number; text: string[] }> = {}
    for (const table of tables) {
      const rows = await readTable(gateway.warehouse, table)
      contents[table] = { rows: rows.length, distinct: new Set(rows).size, text: rows.sort() }
    }
    const { mismatched, missing, extra, sampled } = await gateway.realtime.parity(view.id, 1000)
    const stored = await gateway.catalog.prisma.publishJob.findMany({ orderBy: { seed: 'asc' } })
    return {
      contents,
      version: await gateway.warehouse.version(),
      parity: { mismatched, missing, extra },
      sampled,
      queryId: query.id,
      jobs: stored.map(({ status, total, done, seed }) => ({ status, total, done, seed })),
    }
  } finally {
    await gateway.close()
  }
}

async function readTable(warehouse: Awaited<ReturnType<typeof openGateway>>['warehouse'], table: string) {
  const key = { users: 'user_id', quotes: 'quote_id', transactions: 'transaction_id', policies: 'policy_id' }[
    table
  ]
  const { columns, batches } = await warehouse.scan({
    sql: `SELECT * FROM feature_store.${table}`,
    key: [key ?? ''],
  })
  const rows: string[] = []
  for await (const batch of batches) for (const row of batch) rows.push(encodeFrame({ columns, rows: [row] }))
  return rows
}

describe('a publishing process', () => {
  it('killed at random moments loses and doubles nothing', { timeout: 300_000 }, async () => {
    const whole = await newFolder()
    expect((await runProcess(whole, () => false, 0)).finished).toBe(true)
    const expected = await inspect(whole)
    expect(expected.contents.quotes?.rows).toBe(total)

    const folder = await newFolder()
    let killed = 0
    let highest = new Map<string, number>()
    for (;;) {
      const killAt = (total * (killed + Math.random())) / kills
      const ended = await runProcess(folder, (done) => done >= killAt, Math.random() * 150)
      for (const [jobId, done] of highest) expect(ended.done.get(jobId) ?? done).toBeGreaterThanOrEqual(done)
      highest = ended.done
      if (ended.finished) break
      killed++
    }
    const actual = await inspect(folder)
    console.info(`killed ${killed} times; parity over ${actual.sampled} users`)
    expect(killed).toBeGreaterThan(kills / 2)
    expect(actual.contents).toEqual(expected.contents)
    expect(actual.version).toBe(expected.version)
    expect(actual.jobs).toEqual(
      jobs.map(({ nFlows, seed }) => ({ status: 'SUCCEEDED', total: nFlows, done: nFlows, seed })),
    )
    expect(actual.parity).toEqual({ mismatched: 0, missing: 0, extra: 0 })
  })
})
