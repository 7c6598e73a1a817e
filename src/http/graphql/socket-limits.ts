// What a WebSocket may send: little until its caller is known, then as much in a message as a request may hold.

import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Identity } from '../../access/identity.ts'
import { AppError, messageOf } from '../../errors.ts'
import { maxBytesOf, tooManyBytes } from '../guards/body-limits.ts'
import type { HeldBytes } from '../guards/held-bytes.ts'
import { exactJson } from '../server/json.ts'

/** All that a connection may carry before its caller is known: the longest token takes half of it. */
const strangerBytes = 16 * 1024

const messageTooBig = 1009
const closeWithinMs = 1_000

export interface StrangerLimits {
  /** The caller is known. */
  lift(): void
}

const tryAgainLater = 1013

/** Closes a socket whose messages, as they come, have no room beside what others hold. */
export function limitMessages(
  connection: Duplex,
  socket: WebSocket,
  held: Pick<HeldBytes, 'keep' | 'refusal'>,
) {
  let bytes = 0
  function count(piece: Buffer) {
    bytes += piece.length
    if (held.keep(connection, bytes)) return
    socket.close(tryAgainLater, toCloseReason(held.refusal().message))
    stopReading(connection)
  }
  connection.prependListener('data', count)
  socket.on('message', () => {
    bytes = 0
    held.keep(connection, 0)
  })
}

/** Closes a socket that sends more than it takes to say who it is. Nothing of it is kept, nor read on. */
export function limitStranger(connection: Duplex, socket: WebSocket): StrangerLimits {
  let bytes = 0
  function count(piece: Buffer) {
    bytes += piece.length
    if (bytes <= strangerBytes) return
    socket.close(messageTooBig, 'Say who you are in connection_init first, in a few KB')
    stopReading(connection)
  }
  connection.prependListener('data', count)
  return { lift: () => void connection.off('data', count) }
}

/** What a closed socket's client still sends goes by unread, so that the frame is not lost to a reset. */
function stopReading(connection: Duplex) {
  connection.removeAllListeners('data').resume()
  connection.end()
  setTimeout(() => connection.destroy(), closeWithinMs).unref()
}

/** A message as graphql-ws is to read it; null for one that its caller may not send, upon which the socket is closed. */
export function readMessage(
  data: Buffer,
  { socket, identity }: { socket: WebSocket; identity: Identity | null },
): string | null {
  try {
    const most = identity === null ? strangerBytes : maxBytesOf(identity)
    if (data.length > most) throw tooManyBytes(most)
    return exactJson(String(data))
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    socket.close(messageTooBig, toCloseReason(messageOf(error)))
    return null
  }
}

/** A close frame carries 123 bytes. */
export function toCloseReason(text: string): string {
  return Buffer.from(text)
    .subarray(0, 123)
    .toString()
    .replace(/\uFFFD+$/, '')
}
