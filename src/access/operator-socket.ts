// The way of `npm run keys` to a gateway that has the embedded catalog open: a Unix socket under DATA_DIR, its owner's alone.

import { once } from 'node:events'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { dirname, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Logger } from 'pino'
import { z } from 'zod'
import { AppError, errorCodes, messageOf } from '../errors.ts'
import type { KeyDesk } from './key-desk.ts'

/** Each side says one thing, and ends. */
const longestRequest = 65_536
const answerWithinMs = 10_000
/** What the system takes as a socket's path. */
const longestPath = 100

const request = z.discriminatedUnion('do', [
  z.object({
    do: z.literal('create'),
    name: z.string(),
    scopes: z.array(z.string()),
    expiresAt: z.coerce.date().nullable(),
  }),
  z.object({ do: z.literal('revoke'), id: z.string() }),
  z.object({ do: z.literal('list') }),
])

const date = z.coerce.date()
const entry = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  createdAt: date,
  expiresAt: date.nullable(),
  revokedAt: date.nullable(),
  lastUsedAt: date.nullable(),
})
const failure = z.object({ code: z.enum(errorCodes), message: z.string() })

export interface OperatorSocket {
  close(): Promise<void>
}

/**
 * Whoever may enter DATA_DIR may make keys: it could write the catalog as well. Where the folder can hold no socket, the
 * gateway does without one, and says so.
 */
export async function openOperatorSocket(options: {
  path: string
  keyDesk: KeyDesk
  log: Logger
}): Promise<OperatorSocket> {
  const { keyDesk, log } = options
  const path = shortPath(options.path)
  const without = (why: string) => {
    log.warn(`\`npm run keys\` works while the gateway is stopped only: ${why}`)
    return { close: async () => {} }
  }
  if (path === null) return without(`${options.path} is too long for a socket`)
  const folder = dirname(options.path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
  // The folder's lock is ours: what is left there is of a process that was killed.
  await rm(path, { force: true })
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.setTimeout(answerWithinMs, () => socket.destroy())
    socket.on('error', (error) => log.debug({ err: error }, 'An operator’s connection broke'))
    answer(socket, keyDesk).then(
      // Who says nothing looked whether a gateway listens.
      (result) => socket.end(result === undefined ? '' : JSON.stringify({ result })),
      (error: unknown) => socket.end(JSON.stringify({ failure: describe(error, log) })),
    )
  })
  try {
    server.listen(path)
    await once(server, 'listening')
  } catch (error) {
    return without(`${options.path} cannot be listened at: ${messageOf(error)}`)
  }
  return {
    async close() {
      server.close()
      await once(server, 'close')
    },
  }
}

async function answer(socket: Socket, keyDesk: KeyDesk): Promise<unknown> {
  let said = ''
  for await (const chunk of socket.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    said += chunk
    if (said.length > longestRequest) throw new AppError('TOO_LARGE', 'The request is too long')
  }
  if (said === '') return undefined
  const asked = request.parse(JSON.parse(said))
  switch (asked.do) {
    case 'create':
      return keyDesk.create(asked)
    case 'revoke':
      return keyDesk.revoke(asked.id)
    case 'list':
      return keyDesk.list()
  }
}

function describe(error: unknown, log: Logger) {
  if (error instanceof AppError) return { code: error.code, message: error.message }
  log.error({ err: error }, 'An operator’s request failed unexpectedly')
  return { code: 'INTERNAL', message: messageOf(error) }
}

/** The gateway's key desk from another process; null when no gateway listens at the path. */
export async function callKeyDesk(path: string): Promise<KeyDesk | null> {
  const address = shortPath(path)
  if (address === null || !(await isListening(address))) return null
  return {
    create: async (asked) =>
      z
        .object({ key: entry, token: z.string() })
        .parse(await ask(address, { do: 'create', ...asked, scopes: [...asked.scopes] })),
    revoke: async (id) => entry.parse(await ask(address, { do: 'revoke', id })),
    list: async () => z.array(entry).parse(await ask(address, { do: 'list' })),
  }
}

async function isListening(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ECONNREFUSED'].includes(String(error.code)))
      return false
    throw error
  } finally {
    socket.destroy()
  }
}

async function ask(path: string, asked: z.input<typeof request>): Promise<unknown> {
  const socket = connect(path)
  socket.setTimeout(answerWithinMs, () => socket.destroy(new Error('The gateway did not answer in time')))
  socket.end(JSON.stringify(asked))
  const answered = JSON.parse(await text(socket)) as { result?: unknown; failure?: unknown }
  if (answered.failure === undefined) return answered.result
  const { code, message } = failure.parse(answered.failure)
  throw new AppError(code, message)
}

/** From where the process stands, if that is shorter. Null when the system takes neither. */
function shortPath(path: string): string | null {
  const near = relative(process.cwd(), path)
  const shorter = near.length < path.length ? near : path
  return Buffer.byteLength(shorter) <= longestPath ? shorter : null
}
