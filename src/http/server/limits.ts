// How long the server waits for its clients, and how much it holds for them.

export interface HttpLimits {
  /** A client has so long to send a request's headers, and all of it. */
  headersMs: number
  requestMs: number
  /** A WebSocket whose client sends no connection_init for so long is closed with 4408. */
  connectionInitMs: number
  /** A WebSocket's client is pinged this often, and dropped when it does not answer for as long. */
  pingEveryMs: number
  /** For all connections together: see HeldBytes. */
  heldBytes: number
}

/** Of bytes: four of the longest answers or eight of the longest requests at once, in a process that takes twice as much itself. */
export const httpLimits: HttpLimits = {
  headersMs: 15_000,
  requestMs: 60_000,
  connectionInitMs: 3_000,
  pingEveryMs: 12_000,
  heldBytes: 256 * 1024 * 1024,
}
