// How many connections each caller holds open: WebSockets and streams of events.

export interface OpenConnections {
  /** Counts one more until the returned function is called; null when the caller has as many as it may. */
  open(caller: string): (() => void) | null
}

export function createOpenConnections(most: number): OpenConnections {
  const counts = new Map<string, number>()

  function leave(caller: string) {
    const left = (counts.get(caller) ?? 0) - 1
    if (left > 0) counts.set(caller, left)
    else counts.delete(caller)
  }

  return {
    open(caller) {
      const count = counts.get(caller) ?? 0
      if (count >= most) return null
      counts.set(caller, count + 1)
      let isOpen = true
      return () => {
        if (isOpen) leave(caller)
        isOpen = false
      }
    },
  }
}
