// Node's HTTP server at a connection that is read by somebody else, who feeds it whole requests.

import type { Socket } from 'node:net'

type Listener = (...args: unknown[]) => void

export interface NodeSide {
  /** Node parses these bytes, as if they had just come. */
  onData(bytes: Buffer): void
  /** The client sends nothing more. */
  onEnd(): void
  /** From here on Node listens to the socket itself. */
  takeOver(): void
}

/**
 * Has Node's server set itself up on the socket, and takes away its listeners to what comes. `reader` and `ender` are
 * those of whoever reads the socket: they stay. That a listener to data is added to it also has Node's parser let go of
 * the socket's handle, from which it would else read past all listeners.
 */
export function attachNode(
  socket: Socket,
  nodesListener: (socket: Socket) => void,
  reader: (bytes: Buffer) => void,
  ender: () => void,
): NodeSide {
  socket.off('data', reader).off('end', ender)
  const before = { data: socket.listeners('data'), end: socket.listeners('end') }
  nodesListener(socket)
  const added = (event: 'data' | 'end') =>
    (socket.listeners(event) as Listener[]).filter((listener) => !before[event].includes(listener))
  const [onData, onEnd] = [added('data'), added('end')]
  for (const listener of onData) socket.off('data', listener)
  for (const listener of onEnd) socket.off('end', listener)
  socket.on('data', reader).on('end', ender)
  return {
    onData(bytes) {
      for (const listener of onData) listener(bytes)
    },
    onEnd() {
      for (const listener of onEnd) listener()
    },
    takeOver() {
      for (const listener of onData) socket.on('data', listener)
      for (const listener of onEnd) socket.on('end', listener)
    },
  }
}
