// Which stored JSON is what a scalar of it is written as. What rows hold is written as JSON.stringify writes it: only its type is looked at.

import type { ScalarName } from '../../../schema/typed/shapes.ts'
import type { ByteText } from '../../../values/byte-text.ts'

const quote = 0x22
const minus = 0x2d
const zero = 0x30
const nine = 0x39

/** Digits of an Int that is surely one, and of any number that is surely exact. */
const sureDigits = { int: 9, safe: 15 }

function isText(stored: ByteText): boolean {
  return stored.charCodeAt(0) === quote
}

function isDigit(code: number): boolean {
  return code >= zero && code <= nine
}

function isNumber(stored: ByteText): boolean {
  const first = stored.charCodeAt(0)
  return first === minus || isDigit(first)
}

const isInteger = (most: number) => (stored: ByteText) => {
  const { length } = stored
  const start = stored.charCodeAt(0) === minus ? 1 : 0
  if (length - start > most) return false
  for (let i = start; i < length; i++) if (!isDigit(stored.charCodeAt(i))) return false
  return true
}

const always = () => true

export const isAsWritten: Record<ScalarName, (stored: ByteText) => boolean> = {
  Boolean: (stored) => stored === 'true' || stored === 'false',
  Int: isInteger(sureDigits.int),
  BigInt: isInteger(sureDigits.safe),
  Float: isNumber,
  Decimal: always,
  String: isText,
  Bytes: isText,
  Date: isText,
  Timestamp: isText,
  JSON: always,
}
