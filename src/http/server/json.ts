// JSON as clients send it: no integer is rounded on the way in, and what would take long to read is refused before it is.

import { randomInt } from 'node:crypto'
import { AppError, messageOf } from '../../errors.ts'

/**
 * What a text may hold. JSON.parse takes a hundred times as long for some megabytes as for others: for many small objects
 * and lists, above all where few have the same names in the same order. The largest ingest passes, with every third of
 * its fields left out at random too.
 */
export const jsonLimits = { values: 2_000_000, containers: 250_000, shapes: 50_000, depth: 100 }

/** Shorter texts are read in no time, whatever they hold. */
const shortText = 128 * 1024

/** Only text with a number this long can hold an integer that is not exact as a JavaScript number. */
const longNumber = /\d{16}/
const longDigits = 16
/** Joined before they grow old: the collector moves what it finds alive. */
const piecesAtOnce = 4_096

/**
 * Like JSON.parse, but an integer beyond ±2^53 becomes the string of its digits, as the gateway itself writes such
 * integers. Throws BAD_USER_INPUT for what is no JSON, and TOO_LARGE.
 */
export function parseJson(text: string): unknown {
  const exact = exactJson(text)
  try {
    return JSON.parse(exact)
  } catch (cause) {
    const message = `The body is not valid JSON: ${messageOf(exact === text ? cause : errorOf(text))}`
    throw new AppError('BAD_USER_INPUT', message, { cause })
  }
}

/** Told by the places of the text that was sent. */
function errorOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    return error
  }
}

/** The same JSON for JSON.parse to read, integers beyond ±2^53 in quotes. Throws TOO_LARGE. */
export function exactJson(text: string): string {
  if (text.length <= shortText && !longNumber.test(text)) return text
  /** Between them stand the quotes: what is copied, an integer, what is copied… */
  let pieces: string[] = []
  let done = ''
  let copied = 0
  const counts = createCounts()
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === quote) at = counts.passString(text, at)
    else if (isDigit(code)) {
      const end = endOfDigits(text, at)
      if (end - at >= longDigits) {
        const start = text.charCodeAt(at - 1) === minus ? at - 1 : at
        if (isRounded(text, start, end)) {
          pieces.push(text.slice(copied, start), text.slice(start, end))
          copied = end
          if (pieces.length >= piecesAtOnce) {
            done += `${pieces.join('"')}"`
            pieces = []
          }
        }
      }
      at = end
    } else {
      counts.count(code)
      at++
    }
  }
  if (copied === 0) return text
  pieces.push(text.slice(copied))
  return done + pieces.join('"')
}

const [quote, backslash, minus, comma, colon, point] = [0x22, 0x5c, 0x2d, 0x2c, 0x3a, 0x2e]
const [zero, letterE] = [0x30, 0x65]
const [leftBracket, rightBracket, leftBrace, rightBrace] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Shapes are told apart by a hash that nobody outside knows; a few fall together. */
const shapeBits = 19
const multiplier = randomInt(2 ** 24, 2 ** 31) | 1

function createCounts() {
  const seen = new Uint8Array(2 ** shapeBits)
  /** Of the names that each open object has so far. */
  const shapeOf = new Int32Array(jsonLimits.depth + 2)
  let [values, containers, shapes, depth, nameHash] = [0, 0, 0, 0, 0]

  function countShape() {
    const shape = Math.imul((shapeOf[depth] ?? 0) ^ nameHash, multiplier)
    shapeOf[depth] = shape ^ (shape >>> 15)
    const bucket = shape >>> (32 - shapeBits)
    if (seen[bucket] === 0 && ++shapes > jsonLimits.shapes)
      throw tooLarge('objects with other names, or in another order', jsonLimits.shapes)
    seen[bucket] = 1
  }

  return {
    /** Returns where the string that begins there has ended. */
    passString(text: string, from: number): number {
      let hash = 0
      let at = from + 1
      for (; at < text.length; at++) {
        const code = text.charCodeAt(at)
        if (code === quote) break
        hash = Math.imul(hash ^ code, multiplier)
        if (code === backslash) at++
      }
      nameHash = hash ^ (hash >>> 15)
      return at + 1
    },
    count(code: number) {
      if (code === comma) {
        if (++values > jsonLimits.values) throw tooLarge('values', jsonLimits.values)
      } else if (code === colon) countShape()
      else if (code === leftBrace || code === leftBracket) {
        if (++containers > jsonLimits.containers) throw tooLarge('objects and lists', jsonLimits.containers)
        if (++depth > jsonLimits.depth)
          throw tooLarge('objects and lists within each other', jsonLimits.depth)
        shapeOf[depth] = 1
      } else if (code === rightBrace || code === rightBracket) depth = Math.max(0, depth - 1)
    },
  }
}

function tooLarge(what: string, most: number): AppError {
  return new AppError('TOO_LARGE', `The JSON holds more than ${most} ${what}; send it in several requests`)
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function endOfDigits(text: string, from: number): number {
  let at = from
  while (isDigit(text.charCodeAt(at))) at++
  return at
}

/** Whether an integer stands there as a value, and JSON.parse would round it; what is no JSON stays none. */
function isRounded(text: string, start: number, end: number): boolean {
  const before = start === 0 ? comma : text.charCodeAt(start - 1)
  if (before !== comma && before !== colon && before !== leftBracket && !isBlank(before)) return false
  if (text.charCodeAt(text.charCodeAt(start) === minus ? start + 1 : start) === zero) return false
  const after = text.charCodeAt(end)
  if (after === point || (after | 0x20) === letterE) return false
  let next = end
  while (isBlank(text.charCodeAt(next))) next++
  if (text.charCodeAt(next) === colon) return false
  return end - start > longDigits + 1 || !Number.isSafeInteger(Number(text.slice(start, end)))
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}
