// At most so many pieces of work at once; the others wait their turn, first come, first served.

export interface Limiter {
  /** Resolves once there is room, to the function that gives it back. Rejects with the signal's reason when it aborts before that. */
  enter(signal?: AbortSignal): Promise<() => void>
  /** Runs the work once there is room, and rejects as `enter` does. */
  run<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>
  /** How many wait for room. */
  waiting(): number
}

export function createLimiter(size: number): Limiter {
  const queue: (() => void)[] = []
  let running = 0

  function leave() {
    running -= 1
    queue.shift()?.()
  }

  function enter(signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const proceed = () => {
        signal?.removeEventListener('abort', giveUp)
        running += 1
        resolve(leave)
      }
      const giveUp = () => {
        const place = queue.indexOf(proceed)
        if (place >= 0) queue.splice(place, 1)
        reject(signal?.reason)
      }
      if (signal?.aborted) return reject(signal.reason)
      if (running < size) return proceed()
      signal?.addEventListener('abort', giveUp, { once: true })
      queue.push(proceed)
    })
  }

  return {
    waiting: () => queue.length,
    enter,
    async run(signal, work) {
      await enter(signal)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}
