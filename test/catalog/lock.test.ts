// The lock on a data folder, fought for by real processes that are really killed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireLock } from '../../src/catalog/database/lock.ts'
import { createFolder } from '../servers/child.ts'

const source = join(import.meta.dirname, '../../src/catalog/database/lock.ts')
let folder: Awaited<ReturnType<typeof createFolder>>
let path: string

beforeEach(async () => {
  folder = await createFolder('lock')
  path = join(folder.path, 'gateway.lock')
})
afterEach(() => folder.remove())

/** A process that takes the lock and keeps it; resolves once it has said how that went. */
async function startHolder() {
  const script = `
    const { acquireLock } = await import(${JSON.stringify(source)})
    try { await acquireLock(${JSON.stringify(path)}); console.log('held') } catch (error) { console.log(error.message) }
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = await once(child.stdout, 'data')
  const exited = once(child, 'exit')
  return {
    pid: child.pid,
    said: String(said).trim(),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

describe('the lock on a data folder', () => {
  it('is refused while another process holds it, with a sentence that names that process', async () => {
    const holder = await startHolder()
    expect(holder.said).toBe('held')
    await expect(acquireLock(path)).rejects.toThrow(`in use by process ${holder.pid} `)
    expect(await readFile(path, 'utf8')).toBe(`${holder.pid}\n`)
    await holder.kill()
  })

  it('is taken over at once from a process that was killed', async () => {
    const holder = await startHolder()
    await holder.kill()
    const lock = await acquireLock(path)
    expect(await readFile(path, 'utf8')).toBe(`${process.pid}\n`)
    await lock.release()
  })

  it('is taken over when the process that has the id of its last holder is a stranger', async () => {
    await writeFile(path, `${process.ppid}\n`)
    await (await acquireLock(path)).release()
  })

  it('is refused to a second part of the same process', async () => {
    const lock = await acquireLock(path)
    await expect(acquireLock(path)).rejects.toThrow(`in use by process ${process.pid} `)
    await lock.release()
    await (await acquireLock(path)).release()
  })

  it('goes to exactly one of many that take over a dead one at the same moment', async () => {
    await (await startHolder()).kill()
    const holders = await Promise.all(Array.from({ length: 6 }, startHolder))
    expect(holders.filter(({ said }) => said === 'held')).toHaveLength(1)
    expect(holders.filter(({ said }) => said.includes('in use by'))).toHaveLength(5)
    await Promise.all(holders.map((holder) => holder.kill()))
  })

  it('may be released twice', async () => {
    const lock = await acquireLock(path)
    await lock.release()
    const next = await acquireLock(path)
    await lock.release()
    await expect(acquireLock(path)).rejects.toThrow('in use by')
    await next.release()
  })
})
