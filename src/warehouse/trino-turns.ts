// Who takes turns: some alone, others together with those that came after the same one.

export interface Turns {
  alone<T>(work: () => Promise<T>): Promise<T>
  together<T>(work: () => Promise<T>): Promise<T>
}

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  /** Begins once its turn has come; null when whoever comes now waits for the one after. */
  let gathering: { begin: Promise<unknown>; ends: Promise<unknown>[] } | null = null

  function settled(work: Promise<unknown>): Promise<unknown> {
    return work.catch(() => undefined)
  }

  return {
    alone(work) {
      gathering = null
      const done = last.then(work)
      last = settled(done)
      return done
    },
    together(work) {
      if (gathering === null) {
        const group = { begin: last, ends: [] as Promise<unknown>[] }
        gathering = group
        last = group.begin.then(async () => {
          if (gathering === group) gathering = null
          await Promise.all(group.ends)
        })
      }
      const { begin, ends } = gathering
      const done = begin.then(work)
      ends.push(settled(done))
      return done
    },
  }
}
