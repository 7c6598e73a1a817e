// One measure of the gateway beside its peer's, run in turn so that a busy machine disturbs both alike.

export interface Comparison {
  area: string
  work: string
  peer: string
  measure: string
  gateway: string
  peerValue: string
  /** The median of the pairs' ratios; a rate's above 1, and a time's or a memory's below 1, is the gateway's win. */
  ratio: number
  /** The lowest and highest pair's ratio. */
  spread: [number, number]
}

export interface Pair {
  gateway: number
  peer: number
}

/** Runs both sides `rounds` times in turn. */
export async function runPairs<G, P>(rounds: number, gateway: () => Promise<G>, peer: () => Promise<P>) {
  const pairs: { gateway: G; peer: P }[] = []
  for (let round = 0; round < rounds; round++) {
    pairs.push(
      round % 2 === 0 ? { gateway: await gateway(), peer: await peer() } : await peerFirst(gateway, peer),
    )
  }
  return pairs
}

async function peerFirst<G, P>(gateway: () => Promise<G>, peer: () => Promise<P>) {
  const peerResult = await peer()
  return { gateway: await gateway(), peer: peerResult }
}

/** Runs every side once a round, after one unmeasured run each when asked; each round begins with another side. */
export async function runSides<Side>(
  rounds: number,
  warm: boolean,
  sides: Readonly<Record<string, Side>>,
  measure: (side: Side) => Promise<number>,
): Promise<Record<string, number>[]> {
  const named = Object.entries(sides)
  if (warm) for (const [, side] of named) await measure(side)
  const results: Record<string, number>[] = []
  for (let round = 0; round < rounds; round++) {
    const result: Record<string, number> = {}
    const first = round % named.length
    for (const [name, side] of [...named.slice(first), ...named.slice(0, first)]) {
      result[name] = await measure(side)
    }
    results.push(result)
  }
  return results
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

export function compare(
  names: Pick<Comparison, 'area' | 'work' | 'peer' | 'measure'>,
  pairs: readonly Pair[],
  format: (value: number) => string,
): Comparison {
  const ratios = pairs.map(({ gateway, peer }) => gateway / peer)
  return {
    ...names,
    gateway: format(median(pairs.map((pair) => pair.gateway))),
    peerValue: format(median(pairs.map((pair) => pair.peer))),
    ratio: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  }
}
