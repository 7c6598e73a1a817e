// Plans of what is asked for again and again, kept in memory and compared with the catalog while they are in use.

import type { Background } from '../../concurrency/background.ts'
import { createTextCache } from '../../concurrency/text-cache.ts'
import type { Events } from '../../events.ts'
import type { FeatureServices } from '../../features/services.ts'
import { isRefusal } from '../../features/view-records.ts'
import { planVectors, type VectorPlan, type VectorsAsked } from './plan.ts'

const limits = { longest: 64 * 1024, most: 1_000, maxCharacters: 4 * 1024 * 1024 }
/** Another process may have changed the catalog. */
const revalidateAfterMs = 2000

export interface VectorPlans {
  /** At once where it is known. Rejects with what is wrong with what is asked. */
  of(asked: VectorsAsked): VectorPlan | Promise<VectorPlan>
  close(): void
}

interface Kept {
  plan: VectorPlan | null
  checkedAtMs: number
}

export function createVectorPlans(options: {
  services: FeatureServices
  events: Pick<Events, 'listen'>
  background: Background
}): VectorPlans {
  const { services, events, background } = options
  let kept = createTextCache<Kept>(limits)
  const close = events.listen('views', 'all', () => {
    kept = createTextCache<Kept>(limits)
  })

  async function make(key: string, asked: VectorsAsked): Promise<VectorPlan> {
    const cache = kept
    const plan = await planVectors(services, asked)
    // What has changed meanwhile has emptied the cache: then it is not kept.
    cache.set(key, { plan, checkedAtMs: Date.now() })
    return plan
  }

  function revalidate(key: string, asked: VectorsAsked, known: Kept) {
    known.checkedAtMs = Date.now()
    background.run('Comparing features with the catalog', () =>
      make(key, asked).catch((error: unknown) => {
        // While the catalog is away, what is known of it goes on being served.
        if (!isRefusal(error)) throw error
        known.plan = null
      }),
    )
  }

  return {
    of(asked) {
      const key = JSON.stringify([asked.service, asked.fullNames, asked.features])
      const known = kept.get(key)
      if (known === undefined || known.plan === null) return make(key, asked)
      if (Date.now() - known.checkedAtMs > revalidateAfterMs) revalidate(key, asked, known)
      return known.plan
    },
    close,
  }
}
