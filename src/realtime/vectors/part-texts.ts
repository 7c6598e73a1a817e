// The texts of vectors' parts, which are mostly alike from one entity to the next.

import type { VectorPart } from './vectors.ts'

/** Writes no part anew that is as the one before it in its place: those of a view were computed together, or chosen for one moment. */
export function rememberParts(
  write: (part: VectorPart) => string,
): (part: VectorPart, place: number) => string {
  const before: { part: VectorPart; text: string }[] = []
  return (part, place) => {
    const known = before[place]
    if (known !== undefined && isAlike(known.part, part)) return known.text
    const text = write(part)
    before[place] = { part, text }
    return text
  }
}

function isAlike(a: VectorPart, b: VectorPart): boolean {
  return (
    a.asOf === b.asOf &&
    a.eventTime === b.eventTime &&
    a.status === b.status &&
    a.source === b.source &&
    a.error === b.error &&
    a.view === b.view
  )
}
