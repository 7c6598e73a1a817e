// A state as it changes, for as long as somebody follows it: as it is now, then after each change, then its end.

import { Repeater } from 'graphql-yoga'

interface FollowOptions<T> {
  /** Calls back at each change until the function that it returns is called. */
  listen(onChange: () => void): () => void
  read(): Promise<T>
  isEnd(state: T): boolean
  /** Whether a state is worth telling after the one that was told before; every one is unless said. */
  isNews?(state: T, last: T): boolean
  /** Told again at the latest after so long, changed or not. */
  heartbeatMs?: number
  /** Told at most once in this time. */
  gapMs?: number
  /** Aborting ends the stream. */
  signal?: AbortSignal
}

/**
 * Who takes states more slowly than they come gets the newest. `return()` unsubscribes at once, even while a `next()`
 * waits. A failure of `read` rejects the `next()` that waits for it, and ends the stream.
 */
export function followState<T>(options: FollowOptions<T>): AsyncIterable<T> {
  const { listen, read, isEnd, isNews = () => true, signal } = options
  return new Repeater<T>(async (push, stop) => {
    const bell = createBell(options)
    const endListening = listen(bell.ring)
    signal?.addEventListener('abort', bell.close)
    stop.then(bell.close)
    try {
      let last: T | undefined
      while (!signal?.aborted) {
        const state = await read()
        if (last === undefined || isNews(state, last)) await Promise.race([push(state), stop])
        last = state
        if (isEnd(state) || !(await bell.next())) break
      }
      stop()
    } finally {
      bell.close()
      signal?.removeEventListener('abort', bell.close)
      endListening()
    }
  })
}

/** `next()` resolves to true when rung since the last call (no sooner than the gap) or at the heartbeat, to false once closed. */
function createBell({ heartbeatMs, gapMs = 0 }: Pick<FollowOptions<unknown>, 'heartbeatMs' | 'gapMs'>) {
  let rung = false
  let closed = false
  let wake = () => {}

  function sleep(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  return {
    async next(): Promise<boolean> {
      const calledMs = performance.now()
      if (!rung && !closed) await sleep(heartbeatMs)
      const early = gapMs - (performance.now() - calledMs)
      if (early > 0 && !closed) await sleep(early)
      rung = false
      return !closed
    },
    ring() {
      if (!rung) wake()
      rung = true
    },
    close() {
      closed = true
      wake()
    },
  }
}
