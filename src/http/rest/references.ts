// Which features of which views, in a request's body: as texts, or told in full.

import { z } from 'zod'
import type { FeatureReference } from '../../features/references.ts'

const inFull = z
  .object({
    view: z.string().describe("The view's name"),
    features: z.array(z.string()).nullable().default(null).describe('All of the view, left out'),
    prefix: z.string().nullable().default(null).describe("Stands before each feature's name, as it is"),
    keys: z
      .array(z.object({ key: z.string(), column: z.string() }))
      .default([])
      .describe('For columns of the index key that are found under other names'),
  })
  .meta({ id: 'FeatureReference' })
const asText = z.string().min(1).describe('`view:feature`, or `view` for all that it has')

const form = 'a text, "view" or "view:feature", or an object of view, features, prefix and keys'

export const references = z
  .array(
    z.union([asText, inFull], {
      error: ({ input, errors }) =>
        typeof input === 'object' && input !== null && !Array.isArray(input)
          ? describeFaults(errors as z.core.$ZodIssue[][] | undefined)
          : `expected ${form}`,
    }),
  )
  .transform(togetherByView)

/** Those of the object, which is the second form. */
function describeFaults(errors: readonly z.core.$ZodIssue[][] = []): string {
  const faults = (errors[1] ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
  return `${faults.join('; ')}; expected ${form}`
}

/** Texts that name features of one view become one reference, where the first of them stands. */
export function togetherByView(given: readonly (string | FeatureReference)[]): FeatureReference[] {
  const read: FeatureReference[] = []
  const namedOf = new Map<string, string[]>()
  for (const each of given) {
    if (typeof each !== 'string') {
      read.push(each)
      continue
    }
    const [view = '', ...rest] = each.split(':')
    const feature = rest.join(':')
    const named = namedOf.get(view)
    if (rest.length > 0 && named !== undefined) {
      named.push(feature)
      continue
    }
    const features = rest.length > 0 ? [feature] : null
    if (features !== null) namedOf.set(view, features)
    read.push({ view, features, prefix: null, keys: [] })
  }
  return read
}
