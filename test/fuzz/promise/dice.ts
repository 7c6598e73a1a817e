// The same choices for the same seed (mulberry32).

export interface Dice {
  /** From 0 up to the limit, which it never is. */
  below(limit: number): number
  pick<T>(items: readonly T[]): T
  /** From 0 to 1, with all digits. */
  real(): number
}

export function createDice(seed: number): Dice {
  let state = seed
  const real = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(real() * limit)
  return { below, real, pick: (items) => items[below(items.length)] as (typeof items)[number] }
}
