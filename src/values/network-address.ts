// Network addresses: PostgreSQL's inet, cidr and macaddr, and Trino's ipaddress, each by its own one text.

import { isIPv4, isIPv6 } from 'node:net'

interface Network {
  /** Of 8 bits each for version 4, of 16 for version 6. */
  words: readonly number[]
  bits: number
}

/** PostgreSQL's `inet`: an address, and where it is no single host the length of its network. */
export function canonicalInet(text: string): string | undefined {
  const network = parseNetwork(text)
  if (network === undefined) return undefined
  const { words, bits } = network
  return bits === lengthOf(words) ? formatAddress(words) : `${formatAddress(words)}/${bits}`
}

/** PostgreSQL's `cidr`: a network, whose length is always told and behind which the address has nothing. */
export function canonicalCidr(text: string): string | undefined {
  const network = parseNetwork(text)
  if (network === undefined) return undefined
  const { words, bits } = network
  const width = lengthOf(words) / words.length
  const isNetwork = words.every((word, i) => {
    const open = Math.min(Math.max((i + 1) * width - bits, 0), width)
    return word % 2 ** open === 0
  })
  return isNetwork ? `${formatAddress(words)}/${bits}` : undefined
}

/** Trino's `ipaddress`: an address of version 4 that stands in one of version 6 is that of version 4. */
export function canonicalIpAddress(text: string): string | undefined {
  const words = parseAddress(text)
  if (words === undefined) return undefined
  const isMapped = words.length === 8 && words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff
  return isMapped ? formatOctets(words.slice(6)) : words.length === 4 ? words.join('.') : formatWords(words)
}

/** PostgreSQL's `macaddr`, of six bytes, or `macaddr8`, of eight; the latter takes six, as which it puts ff:fe between. */
export function canonicalMac(text: string, bytes: 6 | 8): string | undefined {
  const digits = text.toLowerCase().replace(/[:.-]/g, '')
  if (!/^[0-9a-f]+$/.test(digits) || !isSpacedEvenly(text)) return undefined
  const whole = bytes === 8 && digits.length === 12 ? `${digits.slice(0, 6)}fffe${digits.slice(6)}` : digits
  return whole.length === 2 * bytes ? whole.replace(/..(?=.)/g, '$&:') : undefined
}

/** Digits alone, or in groups of one length with one kind of sign between. */
function isSpacedEvenly(text: string): boolean {
  return /^[0-9a-f]+$|^([0-9a-f]{2})([:-])[0-9a-f]{2}(\2[0-9a-f]{2})+$|^[0-9a-f]{4}([.-])[0-9a-f]{4}(\4[0-9a-f]{4})+$|^[0-9a-f]{6}[:-][0-9a-f]{6}$/i.test(
    text,
  )
}

function parseNetwork(text: string): Network | undefined {
  const [address = '', length] = text.split(/\/(.*)/s)
  const words = parseAddress(address)
  if (words === undefined) return undefined
  const most = lengthOf(words)
  if (length === undefined) return { words, bits: most }
  return /^(0|[1-9]\d{0,2})$/.test(length) && Number(length) <= most
    ? { words, bits: Number(length) }
    : undefined
}

function lengthOf(words: readonly number[]): number {
  return words.length === 4 ? 32 : 128
}

function parseAddress(text: string): number[] | undefined {
  if (isIPv4(text)) return text.split('.').map(Number)
  if (!isIPv6(text) || text.includes('%')) return undefined
  const [head = '', tail] = text.split('::')
  const [before, after] = [wordsOf(head), tail === undefined ? [] : wordsOf(tail)]
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function wordsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((word) => {
    if (!word.includes('.')) return Number.parseInt(word, 16)
    const [a = 0, b = 0, c = 0, d = 0] = word.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

/** As PostgreSQL writes it: one of version 4 where it holds one. */
function formatAddress(words: readonly number[]): string {
  if (words.length === 4) return words.join('.')
  const { start, length } = longestZeros(words)
  const holdsVersion4 = start === 0 && (length === 6 || (length === 5 && words[5] === 0xffff))
  if (!holdsVersion4) return formatWords(words)
  return `${length === 5 ? '::ffff:' : '::'}${formatOctets(words.slice(6))}`
}

function formatOctets(words: readonly number[]): string {
  return words.flatMap((word) => [word >> 8, word & 255]).join('.')
}

/** In small letters; the first of the longest runs of zeros, if of two words at least, as `::`. */
function formatWords(words: readonly number[]): string {
  const text = (part: readonly number[]) => part.map((word) => word.toString(16)).join(':')
  const { start, length } = longestZeros(words)
  if (length < 2) return text(words)
  return `${text(words.slice(0, start))}::${text(words.slice(start + length))}`
}

function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  words.forEach((word, i) => {
    length = word === 0 ? length + 1 : 0
    if (length > best.length) best = { start: i + 1 - length, length }
  })
  return best
}
