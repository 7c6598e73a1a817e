// How a command on the same machine talks to the gateway that has the data folder: one question and one answer over a socket in that folder.

import { once } from 'node:events'
import { chmod, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Logger } from 'pino'
import { messageOf } from '../../errors.ts'

/** Longer paths the system takes for no socket (108 bytes on Linux, 104 on macOS). */
const longestPath = 103
const longestQuestion = 64 * 1024

export type Answers = Record<string, (question: Record<string, unknown>) => Promise<unknown>>

/**
 * Answers questions `{ask: name, …}` with what `answers[name]` gives. Who may open the socket is decided by the file
 * system: the gateway's own account.
 */
export async function listenForCommands(path: string, answers: Answers, log: Logger) {
  if (Buffer.byteLength(path) > longestPath) {
    log.warn(
      { path },
      'The data folder’s path is too long for a socket: commands such as the backup need the gateway stopped',
    )
    return { close: async () => undefined }
  }
  await rm(path, { force: true })
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    socket.on('error', (error) => log.debug({ err: error }, 'A command went away'))
    void answer(socket).then((given) => socket.end(JSON.stringify(given)))
  })

  async function answer(socket: Socket): Promise<object> {
    try {
      const question: unknown = JSON.parse(await readAll(socket))
      const name = isObject(question) ? String(question.ask) : ''
      const give = Object.hasOwn(answers, name) ? answers[name] : undefined
      if (give === undefined || !isObject(question)) throw new Error(`The gateway knows no question ${name}`)
      return { answer: (await give(question)) ?? null }
    } catch (error) {
      log.warn({ err: error }, 'A command failed')
      return { error: messageOf(error) }
    }
  }

  server.listen(path)
  await once(server, 'listening')
  await chmod(path, 0o600)
  return {
    async close() {
      for (const socket of open) socket.destroy()
      server.close()
      await rm(path, { force: true })
    },
  }
}

async function readAll(socket: Socket): Promise<string> {
  socket.setEncoding('utf8')
  let question = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    question += chunk
    if (question.length > longestQuestion) throw new Error('The question is too long')
  }
  return question
}

/** Rejects with what the gateway says went wrong, or that it does not answer. */
export async function askGateway(
  path: string,
  question: { ask: string } & Record<string, unknown>,
): Promise<unknown> {
  const socket = connect({ path, allowHalfOpen: true })
  try {
    await once(socket, 'connect')
    socket.end(JSON.stringify(question))
    const given: unknown = JSON.parse(await text(socket))
    if (isObject(given) && 'error' in given) throw new GatewayRefusal(String(given.error))
    return isObject(given) ? given.answer : null
  } catch (error) {
    if (error instanceof GatewayRefusal) throw new Error(`The running gateway says: ${error.message}`)
    throw new Error('A gateway has the data folder and does not answer: stop it first, or try again', {
      cause: error,
    })
  } finally {
    socket.destroy()
  }
}

class GatewayRefusal extends Error {}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
