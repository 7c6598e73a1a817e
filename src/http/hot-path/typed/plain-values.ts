// Which stored JSON is what a scalar of it is written as. What rows hold is written as JSON.stringify writes it: only its type is looked at.

import { anyScalar, anyText, maxMatched } from '../../../realtime/vectors/row-shape.ts'
import type { ScalarName } from '../../../schema/typed/shapes.ts'
import type { ByteText } from '../../../values/byte-text.ts'

const number = '-?\\d[\\d.eE+-]*'

/** As sources of regular expressions. An Int has no more digits than every one may have; a BigInt is a number that keeps its digits, or the digits of one that does not. */
const sources: Record<ScalarName, string> = {
  Boolean: 'true|false',
  Int: '-?\\d{1,9}',
  BigInt: '-?\\d{1,15}|"-?\\d{17,}"',
  Float: number,
  Decimal: anyScalar,
  String: anyText,
  Bytes: anyText,
  Date: anyText,
  Timestamp: anyText,
  JSON: anyScalar,
}

export function sourceOf(scalar: ScalarName): string {
  return `(${sources[scalar]}|null)`
}

const wholly = Object.fromEntries(
  Object.entries(sources).map(([scalar, source]) => [scalar, new RegExp(`^(?:${source})$`)]),
) as Record<ScalarName, RegExp>

export function isAsWritten(scalar: ScalarName, stored: ByteText): boolean {
  return stored.length <= maxMatched && wholly[scalar].test(stored)
}
