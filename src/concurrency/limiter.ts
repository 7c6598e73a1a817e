// At most so many pieces of work at once; the others wait their turn, first come, first served, unless some are urgent.

/** Asked when there is room: what is urgent goes before what is not. */
export type IsUrgent = () => boolean

export interface Limiter {
  /** Resolves once there is room, to the function that gives it back. Rejects with the signal's reason when it aborts before that. */
  enter(signal?: AbortSignal, isUrgent?: IsUrgent): Promise<() => void>
  /** Runs the work once there is room, and rejects as `enter` does. */
  run<T>(signal: AbortSignal | undefined, work: () => Promise<T>, isUrgent?: IsUrgent): Promise<T>
  /** How many wait for room. */
  waiting(): number
}

/** So often in a row the urgent pass by who waits longest. */
const maxPassed = 3

interface Waiting {
  proceed: () => void
  isUrgent: IsUrgent
}

export function createLimiter(size: number): Limiter {
  const queue: Waiting[] = []
  let running = 0
  let passed = 0

  function leave() {
    running -= 1
    const urgent = passed < maxPassed ? queue.findIndex(({ isUrgent }) => isUrgent()) : 0
    passed = urgent > 0 ? passed + 1 : 0
    queue.splice(Math.max(0, urgent), 1)[0]?.proceed()
  }

  function enter(signal?: AbortSignal, isUrgent: IsUrgent = () => false): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const proceed = () => {
        signal?.removeEventListener('abort', giveUp)
        running += 1
        resolve(leave)
      }
      const giveUp = () => {
        const place = queue.findIndex((waiting) => waiting.proceed === proceed)
        if (place >= 0) queue.splice(place, 1)
        reject(signal?.reason)
      }
      if (signal?.aborted) return reject(signal.reason)
      if (running < size) return proceed()
      signal?.addEventListener('abort', giveUp, { once: true })
      queue.push({ proceed, isUrgent })
    })
  }

  return {
    waiting: () => queue.length,
    enter,
    async run(signal, work, isUrgent) {
      await enter(signal, isUrgent)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}
