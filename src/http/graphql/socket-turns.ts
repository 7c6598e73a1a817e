// The queries and mutations of one WebSocket: a few at once, the others once an answer has been taken; and all of them before the socket is closed.

/** More would only wait for their reader, in memory. */
const atOnce = 32

export interface SocketTurns {
  /** Resolves when it is this one's turn. */
  begin(id: string): Promise<void>
  /** Its answer has been written, or nobody waits for it. */
  end(id: string): void
  /** Resolves when none is left, their answers written. */
  settled(): Promise<void>
}

export function createSocketTurns(): SocketTurns {
  const begun = new Set<string>()
  const waiting: (() => void)[] = []
  let running = 0
  let whenNone = () => {}

  return {
    async begin(id) {
      begun.add(id)
      if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve))
      else running++
    },
    end(id) {
      if (!begun.delete(id)) return
      const next = waiting.shift()
      if (next) next()
      else running--
      // The protocol has yet to tell the client that this one is complete.
      if (begun.size === 0) setImmediate(() => whenNone())
    },
    settled: () =>
      new Promise((resolve) => {
        whenNone = resolve
        if (begun.size === 0) resolve()
      }),
  }
}
