// The texts of vectors' parts, which are mostly alike from one entity to the next.

import type { ByteText } from '../../values/byte-text.ts'
import type { VectorPart } from './vectors.ts'

/** The JSON list of a vector's parts; it is not written anew where they are as those of the vector before: computed together, or chosen for one moment. */
export function rememberParts(
  write: (part: VectorPart) => string,
): (parts: readonly VectorPart[]) => ByteText {
  let before: readonly VectorPart[] = []
  let text = '[]' as ByteText
  return (parts) => {
    if (parts.length === before.length && parts.every((part, i) => isAlike(part, before[i]))) return text
    before = parts
    text = `[${parts.map(write).join()}]` as ByteText
    return text
  }
}

function isAlike(a: VectorPart, b: VectorPart | undefined): boolean {
  return (
    a.asOf === b?.asOf &&
    a.eventTime === b.eventTime &&
    a.status === b.status &&
    a.source === b.source &&
    a.error === b.error &&
    a.view === b.view
  )
}
