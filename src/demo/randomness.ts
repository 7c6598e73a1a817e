// Randomness that is a function of where it is used: a generator for each (seed, stream, number), and decks that deal exact shares.

import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus'
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator'

export type { RandomGenerator }

/** Spreads 32 bits, one to one (the finaliser of MurmurHash3 with a step before it). */
function mix(word: number): number {
  let h = (word + 0x9e3779b9) | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/**
 * The generator of number `index` of a stream. Each step below is one to one, so two different triples of 32-bit
 * integers never share a state, and neighbours share nothing that shows.
 */
export function createGenerator(seed: number, stream: number, index: number): RandomGenerator {
  const a = mix(seed)
  const b = mix(a ^ stream)
  const c = mix(b ^ index)
  const d = mix(c ^ 0x5bd1e995)
  return xoroshiro128plusFromState([a ^ mix(c), b ^ mix(d), c, d])
}

const hex16 = Array.from({ length: 0x10000 }, (_, i) => i.toString(16).padStart(4, '0'))

function hex(word: number): string {
  return `${hex16[word >>> 16]}${hex16[word & 0xffff]}`
}

/** A version 4 UUID of 122 of the generator's bits. */
export function drawUuid(generator: RandomGenerator): string {
  const a = generator.next()
  const b = generator.next()
  const c = generator.next()
  const d = generator.next()
  const version = hex16[(b & 0x0fff) | 0x4000]
  const variant = hex16[((c >>> 16) & 0x3fff) | 0x8000]
  return `${hex(a)}-${hex16[b >>> 16]}-${version}-${variant}-${hex16[c & 0xffff]}${hex(d)}`
}

/** From 0 up to, not including, `count`, which is far below 2^32. */
export function drawIndex(generator: RandomGenerator, count: number): number {
  return Math.floor(((generator.next() >>> 0) / 0x1_0000_0000) * count)
}

export function drawFrom<T>(generator: RandomGenerator, choices: readonly [T, ...T[]]): T {
  return choices[drawIndex(generator, choices.length)] ?? choices[0]
}

export interface Deal {
  hit: boolean
  /** How many hits lie before this card. */
  hitsBefore: number
}

/**
 * Deals `hits` of every `size` cards, at random places among them: the share is exact for each whole deck, and a card
 * is a function of (seed, stream, index) alone. `size` is at most 30.
 */
export function createDeck(options: { seed: number; stream: number; size: number; hits: number }) {
  const { seed, stream, size, hits } = options
  let dealtDeck = -1
  let places = 0

  function shuffle(deck: number): number {
    const generator = createGenerator(seed, stream, deck)
    let chosen = 0
    for (let left = hits; left > 0; ) {
      const bit = 1 << drawIndex(generator, size)
      if ((chosen & bit) !== 0) continue
      chosen |= bit
      left--
    }
    return chosen
  }

  return function deal(index: number): Deal {
    const deck = Math.floor(index / size)
    if (deck !== dealtDeck) {
      places = shuffle(deck)
      dealtDeck = deck
    }
    const bit = 1 << (index % size)
    return { hit: (places & bit) !== 0, hitsBefore: deck * hits + countBits(places & (bit - 1)) }
  }
}

function countBits(bits: number): number {
  let count = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++
  return count
}
