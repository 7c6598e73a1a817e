// The server's last moments: each answer asks its client to leave, and an idle connection is closed only once its client has had time to be asked.

import type { Server, ServerResponse } from 'node:http'

/** Who is busy on a connection sends its next request within this time, and learns from the answer that it was the last. */
const lingerMs = 500
const lookEveryMs = 50

export interface Leaving {
  /** Whether `begin` was called. */
  isBegun(): boolean
  /** From here on every answer carries `connection: close`; the port stays open. */
  begin(): void
}

/**
 * Node closes idle connections together with the server, also one in whose wire a request lies already. Here that comes
 * `lingerMs` after `begin`, and again for each connection that falls idle later.
 */
export function createLeaving(server: Server): Leaving {
  const closeIdle = server.closeIdleConnections.bind(server)
  let begunAtMs: number | null = null

  server.closeIdleConnections = () => {
    const waitMs = begunAtMs === null ? 0 : begunAtMs + lingerMs - performance.now()
    if (waitMs <= 0) closeIdle()
    const timer = setInterval(() => {
      if (performance.now() - (begunAtMs ?? 0) >= lingerMs) closeIdle()
    }, lookEveryMs).unref()
    server.once('close', () => clearInterval(timer))
  }

  return {
    isBegun: () => begunAtMs !== null,
    begin() {
      if (begunAtMs !== null) return
      begunAtMs = performance.now()
      server.prependListener('request', (_request, response: ServerResponse) => {
        response.setHeader('connection', 'close')
      })
    },
  }
}
