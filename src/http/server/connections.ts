// What a connection meets first: whether its address has room for it, and a guard that a mistake in answering it ends it alone.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { Metrics } from '../../telemetry/metrics.ts'
import { tooManyConnections } from '../guards/admission.ts'
import { networkOf } from '../guards/callers.ts'
import type { HeldBytes } from '../guards/held-bytes.ts'
import { createOpenConnections } from './open-connections.ts'
import { refuseRaw } from './raw-refusal.ts'

export interface ConnectionOptions {
  /** From one address; null where all come from a proxy's. */
  maxOfAddress: number | null
  refused: Metrics['refused']
  held: Pick<HeldBytes, 'watch'>
  log: Logger
}

/**
 * Stands before whatever takes the server's connections by now, so it must be the last to be put there. The returned
 * function has a connection counted no longer: as a WebSocket it counts for its caller.
 */
export function receiveConnections(server: Server, options: ConnectionOptions): (socket: object) => void {
  const { maxOfAddress, held, log } = options
  const refusedCount = options.refused('connections')
  const places = createOpenConnections(maxOfAddress ?? Number.POSITIVE_INFINITY)
  const releases = new WeakMap<object, () => void>()
  const takers = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const address = networkOf(socket.remoteAddress ?? 'unknown')
    const release = places.open(address)
    if (release === null) {
      refusedCount.value += 1
      socket.on('error', () => undefined).resume()
      refuseRaw(socket, '429 Too Many Requests', tooManyConnections())
      socket.destroySoon()
      return
    }
    releases.set(socket, release)
    socket.once('close', release)
    held.watch(socket, address)
    containMistakes(socket, log)
    for (const take of takers) take.call(server, socket)
  })
  return (socket) => releases.get(socket)?.()
}

/** Whoever listens to a socket is called by its `emit`: what is thrown there would else end the process. */
function containMistakes(socket: Socket, log: Logger) {
  const emit = socket.emit as (...args: unknown[]) => boolean
  socket.emit = (...args: unknown[]) => {
    try {
      return emit.apply(socket, args)
    } catch (error) {
      log.error({ err: error }, 'A connection is ended: what came on it could not be handled')
      socket.destroy()
      return true
    }
  }
}
