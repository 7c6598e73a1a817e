// Vectors' parts, which are mostly alike from one entity to the next: told and written once.

import type { AppError } from '../../errors.ts'
import type { ByteText } from '../../values/byte-text.ts'
import { microsOfMs } from '../../values/moment.ts'
import type { RealtimeResult, RealtimeSource } from '../result.ts'

export interface VectorPart {
  view: string
  status: RealtimeResult['status']
  source: RealtimeSource
  /** Of a view in time when its row became true, in microseconds UTC. */
  eventTime: bigint | null
  /** When its row was computed, or the moment that it was chosen for, in microseconds UTC. */
  asOf: bigint | null
  error: AppError | null
}

export type Teller = (answer: RealtimeResult) => VectorPart

/** What is answered together was mostly computed together, or chosen for one moment: it shares one part. */
export function createTeller(view: string): Teller {
  let before: { asOfMs: number | null; part: VectorPart } | null = null
  return ({ status, source, asOfMs, eventTime, error }) => {
    if (
      before !== null &&
      before.asOfMs === asOfMs &&
      before.part.status === status &&
      before.part.source === source &&
      before.part.eventTime === eventTime &&
      before.part.error === error
    )
      return before.part
    const asOf = asOfMs === null ? null : microsOfMs(asOfMs)
    before = { asOfMs, part: { view, status, source, eventTime, asOf, error } }
    return before.part
  }
}

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
    a === b ||
    (a.asOf === b?.asOf &&
      a.eventTime === b.eventTime &&
      a.status === b.status &&
      a.source === b.source &&
      a.error === b.error &&
      a.view === b.view)
  )
}
