// At most so many pieces of work at once; the others wait their turn, first come, first served.

export interface Pool {
  /** Runs the work once there is room. Rejects with the signal's reason when it aborts before that. */
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>
  /** How many wait for room. */
  waiting(): number
}

export function createPool(size: number): Pool {
  const queue: (() => void)[] = []
  let running = 0

  function enter(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const proceed = () => {
        signal.removeEventListener('abort', leave)
        running += 1
        resolve()
      }
      const leave = () => {
        const place = queue.indexOf(proceed)
        if (place >= 0) queue.splice(place, 1)
        reject(signal.reason)
      }
      if (signal.aborted) return reject(signal.reason)
      if (running < size) return proceed()
      signal.addEventListener('abort', leave, { once: true })
      queue.push(proceed)
    })
  }

  return {
    waiting: () => queue.length,
    async run(signal, work) {
      await enter(signal)
      try {
        return await work()
      } finally {
        running -= 1
        queue.shift()?.()
      }
    },
  }
}
