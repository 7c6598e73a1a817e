// LMDB as an online store: the contract, and what only an embedded store has to show.

import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createOnlineStore } from '../../src/online/index.ts'
import { createLmdbStore } from '../../src/online/lmdb.ts'
import type { WriteEntry } from '../../src/online/port.ts'
import { describeOnlineStore } from '../contract/online.ts'

const log = pino({ level: 'silent' })

async function newFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-lmdb-'))
  return { folder, stop: () => rm(folder, { recursive: true, force: true }) }
}

async function openInFolder() {
  const { folder, stop } = await newFolder()
  return { store: await createOnlineStore({ url: 'lmdb:', folder, log }), stop }
}

function entry(value: string, version: number, expiresInMs: number | null = null): WriteEntry {
  return { value, version, computedAtMs: Date.now(), rows: Buffer.from('[]'), expiresInMs }
}

describeOnlineStore('LMDB', openInFolder)

test('entries and watermarks are there again when the folder is opened again', async () => {
  const { folder, stop } = await newFolder()
  onTestFinished(stop)
  const first = await createLmdbStore({ folder, log })
  await first.write('v', [entry('1', 4), entry('é'.repeat(5000), 5)])
  await first.raiseWatermark('v', 3)
  await first.close()

  const second = await createLmdbStore({ folder, log })
  onTestFinished(() => second.close())
  const [answer] = await second.read([{ view: 'v', values: ['1', 'é'.repeat(5000)] }])
  expect(answer?.watermark).toBe(3)
  expect(answer?.entries.map((found) => found?.version)).toEqual([4, 5])
})

test('every write that was acknowledged survives a kill of the process in the middle of writing', async () => {
  const { folder, stop } = await newFolder()
  onTestFinished(stop)
  const code = `
    const { createLmdbStore } = await import('./src/online/lmdb.ts')
    const store = await createLmdbStore({ folder: process.argv[1], log: console })
    for (let version = 1; ; version++) {
      const entries = Array.from({ length: 50 }, (_, i) =>
        ({ value: String(i), version, computedAtMs: 0, rows: Buffer.from('[]'), expiresInMs: i % 2 ? null : 60_000 }))
      await store.write('v', entries)
      await store.raiseWatermark('v', version)
      console.log(version)
    }`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', code, '--', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let acknowledged = 0
  createInterface(child.stdout).on('line', (line) => {
    acknowledged = Number(line)
    if (acknowledged === 50) child.kill('SIGKILL')
  })
  await once(child, 'close')
  expect(acknowledged).toBeGreaterThanOrEqual(50)

  const store = await createLmdbStore({ folder, log })
  onTestFinished(() => store.close())
  const values = Array.from({ length: 50 }, (_, i) => `${i}`)
  const [answer] = await store.read([{ view: 'v', values }])
  expect(answer?.watermark).toBeGreaterThanOrEqual(acknowledged)
  for (const found of answer?.entries ?? []) expect(found?.version).toBeGreaterThanOrEqual(acknowledged)
})

test('a sweep removes what has expired, once, and nothing that was rewritten since', async () => {
  const { folder, stop } = await newFolder()
  onTestFinished(stop)
  const store = await createLmdbStore({ folder, log })
  onTestFinished(() => store.close())
  await store.write('v', [
    ...Array.from({ length: 2500 }, (_, i) => entry(`soon-${i}`, 1, 1)),
    entry('é'.repeat(5000), 1, 1),
    entry('rewritten', 1, 1),
    entry('later', 1, 60_000),
  ])
  await store.write('v', [entry('rewritten', 2)])
  await store.write('v', [entry('soon-0', 2, 1)])
  const isGone = async () => (await store.read([{ view: 'v', values: ['soon-0'] }]))[0]?.entries[0] === null
  await expect.poll(isGone, { interval: 5 }).toBe(true)

  expect(await store.sweep()).toBe(2501)
  expect(await store.sweep()).toBe(0)
  const [answer] = await store.read([{ view: 'v', values: ['rewritten', 'later'] }])
  expect(answer?.entries.map((found) => found?.version)).toEqual([2, 1])
  expect(await store.removeBelow('v', 9)).toBe(2)
})

test('expired entries are swept without being asked', async () => {
  const { folder, stop } = await newFolder()
  onTestFinished(stop)
  const swept = new EventEmitter()
  const listening = pino({ level: 'debug' }, { write: (line: string) => swept.emit('line', line) })
  vi.useFakeTimers({ toFake: ['setInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const store = await createLmdbStore({ folder, log: listening })
  onTestFinished(() => store.close())
  const said = once(swept, 'line')
  await store.write('v', [entry('soon', 1, 1), entry('kept', 1)])
  const isGone = async () => (await store.read([{ view: 'v', values: ['soon'] }]))[0]?.entries[0] === null
  await expect.poll(isGone, { interval: 5 }).toBe(true)
  vi.advanceTimersByTime(30_000)
  expect(JSON.parse(String((await said)[0]))).toMatchObject({ entries: 1 })
  expect(await store.removeBelow('v', 9)).toBe(1)
})

test('lookups get their turn while a large write goes on', async () => {
  const { folder, stop } = await newFolder()
  onTestFinished(stop)
  const store = await createLmdbStore({ folder, log })
  onTestFinished(() => store.close())
  await store.write('v', [entry('0', 1)])
  let writing = true
  const written = store
    .write(
      'v',
      Array.from({ length: 50_000 }, (_, i) => entry(`${i}`, 2)),
    )
    .finally(() => {
      writing = false
    })
  let lookups = 0
  for (; writing; lookups++) {
    await store.read([{ view: 'v', values: ['0'] }])
    await new Promise(setImmediate)
  }
  await written
  expect(lookups).toBeGreaterThan(50)
})

test('a folder that cannot be opened is ONLINE_STORE_UNAVAILABLE and says which setting names it', async () => {
  const { folder, stop } = await newFolder()
  onTestFinished(stop)
  const file = join(folder, 'online')
  await writeFile(file, 'not a folder')
  await expect(createOnlineStore({ url: 'lmdb:', folder: file, log })).rejects.toMatchObject({
    code: 'ONLINE_STORE_UNAVAILABLE',
    message: expect.stringContaining('DATA_DIR'),
  })
})

test('a scheme that no adapter has is refused in the words of the settings', async () => {
  await expect(createOnlineStore({ url: 'dynamo:x', folder: '', log })).rejects.toThrow(
    'ONLINE_URL: there is no online store for "dynamo:"; there is lmdb:, redis:, rediss:',
  )
})
