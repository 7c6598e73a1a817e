// How many of a kind may run at once: the others wait their turn.

export interface Permits {
  take(signal: AbortSignal): Promise<void>
  giveBack(): void
}

/** First come, first served; who gives up while waiting takes none. */
export function createPermits(count: number): Permits {
  let free = count
  const waiting: (() => void)[] = []
  return {
    take(signal) {
      if (free > 0) {
        free -= 1
        return Promise.resolve()
      }
      return new Promise((resolve, reject) => {
        const onAbort = () => {
          waiting.splice(waiting.indexOf(receive), 1)
          reject(signal.reason)
        }
        const receive = () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        waiting.push(receive)
        signal.addEventListener('abort', onAbort, { once: true })
      })
    },
    giveBack() {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    },
  }
}
