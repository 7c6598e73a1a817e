// Starts `catalog.process.ts`, reads what it says, and kills it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Orders } from './catalog.process.ts'
import type { Place } from './place.ts'

export interface CatalogProcess {
  lines: string[]
  /** Resolves once it has said `count` lines. */
  said(count: number): Promise<void>
  kill(): Promise<void>
}

export function startProcess({ url, folder }: Place, task: Orders['task']): CatalogProcess {
  const script = join(import.meta.dirname, 'catalog.process.ts')
  const orders: Orders = { url, folder, task }
  const child = spawn(process.execPath, [script, JSON.stringify(orders)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  const lines: string[] = []
  const waiting: { count: number; resolve: () => void; reject: (error: Error) => void }[] = []
  let complaints = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk.toString()
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    for (const wait of waiting) if (lines.length >= wait.count) wait.resolve()
  })
  child.on('exit', () => {
    for (const { reject } of waiting) reject(new Error(`The process ended: ${complaints}`))
  })

  return {
    lines,
    said(count) {
      if (lines.length >= count) return Promise.resolve()
      return new Promise((resolve, reject) => waiting.push({ count, resolve, reject }))
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
