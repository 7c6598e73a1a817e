// Commands on the same machine and the gateway, over the socket between them.

import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { askGateway, listenForCommands, NoGateway } from '../../src/processes/command-socket.ts'
import { createDataFolder } from '../data-folder.ts'

const lines: string[] = []
const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
let folder: Awaited<ReturnType<typeof createDataFolder>>
let path: string
let listening: Awaited<ReturnType<typeof listenForCommands>>

beforeAll(async () => {
  folder = await createDataFolder('commands')
  path = join(folder.path, 'operator', 'gateway.sock')
})
afterAll(() => folder.remove())

beforeEach(async () => {
  lines.length = 0
  listening = await listenForCommands(
    path,
    {
      double: async ({ text }) => [text, text],
      nothing: async () => undefined,
      refuse: () => Promise.reject(new AppError('NOT_FOUND', 'There is no key', { details: { id: 7 } })),
      break: () => Promise.reject(new TypeError('a mistake')),
    },
    log,
  )
})
afterEach(() => listening.close())

test('a question has its answer, however large', async () => {
  const text = 'é'.repeat(20_000)
  expect(await askGateway(path, { ask: 'double', text })).toEqual([text, text])
  expect(await askGateway(path, { ask: 'nothing' })).toBeNull()
  expect((await stat(dirname(path))).mode & 0o777).toBe(0o700)
})

test('a refusal comes as it was, code and details too, and is no line of the log', async () => {
  await expect(askGateway(path, { ask: 'refuse' })).rejects.toMatchObject({
    name: 'AppError',
    code: 'NOT_FOUND',
    message: 'There is no key',
    details: { id: 7 },
  })
  const tooLong = askGateway(path, { ask: 'double', text: 'x'.repeat(70_000) })
  await expect(tooLong).rejects.toMatchObject({ code: 'TOO_LARGE' })
  expect(lines).toEqual([])
})

test('a failure that nobody foresaw is told, and logged', async () => {
  await expect(askGateway(path, { ask: 'break' })).rejects.toThrow('a mistake')
  await expect(askGateway(path, { ask: 'toString' })).rejects.toThrow('knows no question toString')
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'A command failed',
    'A command failed',
  ])
})

test('who asks nothing holds up nobody, not even the end', async () => {
  const own = join(folder.path, 'own', 'gateway.sock')
  const ending = await listenForCommands(own, { one: async () => 1 }, log)
  const idle = connect(own).resume()
  await once(idle, 'connect')
  expect(await askGateway(own, { ask: 'one' })).toBe(1)
  const closed = once(idle, 'close')
  await ending.close()
  await closed
})

test('where no gateway listens a command knows that its question has reached nobody', async () => {
  const stale = join(folder.path, 'stale.sock')
  await writeFile(stale, '')
  for (const nowhere of [stale, join(folder.path, 'none.sock'), `/${'long/'.repeat(30)}.sock`])
    await expect(askGateway(nowhere, { ask: 'double' })).rejects.toBeInstanceOf(NoGateway)
})

test('a gateway that cannot listen says so, and starts', async () => {
  await writeFile(join(folder.path, 'a-file'), '')
  const without = await listenForCommands(join(folder.path, 'a-file', 'gateway.sock'), {}, log)
  expect(lines.join()).toContain('work while the gateway is stopped only')
  await without.close()
})
