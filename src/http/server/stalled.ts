// Connections whose client has stopped reading: what waits for it costs memory, and it is not waited for for ever.

import type { Server } from 'node:http'

/**
 * Ends a connection on which something was to be written and nothing could be for so long. Node's timer is set anew by
 * whatever is read or written, in part too; who only waits for an answer, or for the next event, is left alone.
 */
export function endStalled(server: Server, stallTimeoutMs: number) {
  server.setTimeout(stallTimeoutMs, (socket) => {
    if (socket.writableLength > 0) socket.destroy()
  })
}
