// How WebSockets end when the server closes: what was asked on them is answered first, then their clients are told to connect anew.

import type { WebSocket } from 'ws'
import { within } from '../../concurrency/within.ts'

/** 1001: the server goes away; clients connect again. */
const goingAway = 1001
/** A query or a mutation under way on a socket has so long to be answered before the socket is closed. */
const finishWithinMs = 8_000
/** A client that does not close its end by then is dropped. */
const closeWithinMs = 1_000

/** Resolves when all are closed; none is waited for longer than the times above. */
export async function closeSockets(
  sockets: Iterable<WebSocket>,
  finished: (socket: WebSocket) => Promise<void> | undefined,
): Promise<void> {
  await Promise.all([...sockets].map((socket) => closeSocket(socket, finished(socket))))
}

async function closeSocket(socket: WebSocket, finished: Promise<void> | undefined): Promise<void> {
  if (socket.readyState === socket.CLOSED) return
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await within(finishWithinMs, Promise.race([finished, closed]), () => undefined)
  socket.close(goingAway, 'Going away')
  await within(closeWithinMs, closed, () => socket.terminate())
  await closed
}
