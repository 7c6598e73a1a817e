// Long work in one piece, cut so that requests go on in between.

import { setImmediate } from 'node:timers/promises'

const afterMs = 8

/** To be awaited between steps: it pauses once enough has been done since the last pause. */
export function createBreath(): () => Promise<void> | undefined {
  let since = performance.now()
  return () => {
    if (performance.now() - since < afterMs) return undefined
    return setImmediate().then(() => {
      since = performance.now()
    })
  }
}

const itemsAtOnce = 64

/** As `items.map`, pausing where that takes long. */
export async function mapWithBreaths<Item, Result>(
  items: readonly Item[],
  map: (item: Item, i: number) => Result,
): Promise<Result[]> {
  const breathe = createBreath()
  const results: Result[] = []
  for (let i = 0; i < items.length; i++) {
    const pause = i % itemsAtOnce === itemsAtOnce - 1 ? breathe() : undefined
    if (pause !== undefined) await pause
    results.push(map(items[i] as Item, i))
  }
  return results
}
