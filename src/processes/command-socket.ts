// How a command on the same machine talks to the gateway that has the data folder: one question and one answer over a socket in that folder.

import { once } from 'node:events'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { dirname, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Logger } from 'pino'
import { AppError, messageOf } from '../errors.ts'
import { type Failure, fromFailure, toFailure } from './engine-messages.ts'

const longestQuestion = 64 * 1024
const questionWithinMs = 10_000
/** Longer paths the system takes for no socket (108 bytes on Linux, 104 on macOS). */
const longestPath = 103

export interface Question {
  ask: string
  [name: string]: unknown
}
export type Answers = Record<string, (question: Question) => Promise<unknown>>
/** What JSON carries. */
type Answer = { answer: unknown } | { failure: Failure }

/** No gateway listens: the question has reached nobody. */
export class NoGateway extends Error {}

/**
 * Answers questions `{ask: name, …}` with what `answers[name]` gives. Who may enter the data folder may ask: it could
 * write the stores as well. Where the folder can hold no socket, the gateway does without one, and says so.
 */
export async function listenForCommands(path: string, answers: Answers, log: Logger) {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    socket.on('error', (error) => log.debug({ err: error }, 'A command went away'))
    void answer(socket, answers, log).then((given) => socket.end(JSON.stringify(given)))
  })
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await chmod(dirname(path), 0o700)
    // The folder's lock is ours: what is left there is of a process that was killed.
    await rm(path, { force: true })
    server.listen(shortPath(path))
    await once(server, 'listening')
  } catch (error) {
    log.warn(
      `Commands such as keys and the backup work while the gateway is stopped only: ${path} cannot be listened at: ${messageOf(error)}`,
    )
    return { close: async () => undefined }
  }
  return {
    async close() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

async function answer(socket: Socket, answers: Answers, log: Logger): Promise<Answer> {
  try {
    const question = await readQuestion(socket)
    const give = Object.hasOwn(answers, question.ask) ? answers[question.ask] : undefined
    if (give === undefined) throw new Error(`The gateway knows no question ${question.ask}`)
    return { answer: (await give(question)) ?? null }
  } catch (error) {
    if (!(error instanceof AppError)) log.warn({ err: error }, 'A command failed')
    return { failure: toFailure(error) }
  }
}

async function readQuestion(socket: Socket): Promise<Question> {
  socket.setEncoding('utf8').setTimeout(questionWithinMs, () => socket.destroy())
  let said = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    said += chunk
    if (said.length > longestQuestion) throw new AppError('TOO_LARGE', 'The question is too long')
  }
  socket.setTimeout(0)
  return JSON.parse(said) as Question
}

/** Rejects with what went wrong in the gateway, or NoGateway, or that it does not answer. */
export async function askGateway(path: string, question: Question): Promise<unknown> {
  const socket = connect({ path: shortPath(path), allowHalfOpen: true })
  try {
    await once(socket, 'connect').catch((error: unknown) => {
      throw new NoGateway('A gateway has the data folder and does not answer: stop it first, or try again', {
        cause: error,
      })
    })
    socket.end(JSON.stringify(question))
    const said = await text(socket)
    if (said === '') throw new Error('The gateway ended before it answered')
    const given = JSON.parse(said) as Answer
    if ('failure' in given) throw fromFailure(given.failure)
    return given.answer
  } finally {
    socket.destroy()
  }
}

/** From where the process stands, if that is shorter. */
function shortPath(path: string): string {
  const near = relative(process.cwd(), path)
  const shorter = near.length < path.length ? near : path
  if (Buffer.byteLength(shorter) > longestPath) throw new NoGateway('the path is too long for a socket')
  return shorter
}
