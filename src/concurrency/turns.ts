// Who takes turns: some alone; others together, also with those who come later, until someone waits to be alone.

export interface Turns {
  alone<T>(work: () => Promise<T>): Promise<T>
  together<T>(work: () => Promise<T>): Promise<T>
}

interface Group {
  begin: Promise<unknown>
  running: Set<Promise<unknown>>
}

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  /** Whom those that come may join. */
  let open: Group | null = null

  async function untilOver({ begin, running }: Group): Promise<void> {
    await begin
    while (running.size > 0) await Promise.all(running)
  }

  return {
    alone(work) {
      open = null
      const done = last.then(work)
      last = done.catch(() => undefined)
      return done
    },
    together(work) {
      const group = open ?? { begin: last, running: new Set() }
      const done = group.begin.then(work)
      const over = done
        .catch(() => undefined)
        .then(() => {
          group.running.delete(over)
        })
      group.running.add(over)
      if (open === null) {
        open = group
        last = untilOver(group).then(() => {
          if (open === group) open = null
        })
      }
      return done
    },
  }
}
