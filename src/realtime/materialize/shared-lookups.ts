// Lookups of the same keys in many views that come at once are one call of the warehouse, where it takes them together.

import { inBatches } from '../../concurrency/batches.ts'
import { unlessAborted } from '../../concurrency/unless-aborted.ts'
import type { LookupRequest, LookupResult, Warehouse } from '../../warehouse/port.ts'

/** Of more keys than these a lookup has work enough of its own. */
const maxKeys = 1000
/** Fewer are sooner done each by itself. */
const fewest = 4
/** Those of a call are answered together: the first few that came are served before the rest are computed. */
const statementsPerCall = { first: 25, next: 200 }

interface Waiting {
  request: LookupRequest
  resolve(result: LookupResult | Promise<LookupResult>): void
}

/** For statements of which it is proven that the rows of one key depend on the tables' rows of that key alone. */
export function shareLookups(
  warehouse: Pick<Warehouse, 'lookup' | 'lookupMany'>,
  signal: AbortSignal,
): Warehouse['lookup'] {
  const { lookup, lookupMany } = warehouse
  if (lookupMany === undefined) return lookup
  const groups = new Map<string, Waiting[]>()

  function flush() {
    for (const group of groups.values()) {
      const { first, next } = statementsPerCall
      if (group.length > first) void answer(group.splice(0, first))
      for (const batch of inBatches(group, { most: next })) void answer(batch)
    }
    groups.clear()
  }

  async function answer(batch: readonly Waiting[]) {
    const results = await lookUpTogether(batch).catch(() => [])
    batch.forEach(({ request, resolve }, i) => {
      resolve(results[i] ?? lookup(request))
    })
  }

  async function lookUpTogether(batch: readonly Waiting[]) {
    const [first] = batch
    if (first === undefined || batch.length < fewest) return []
    const { key, values } = first.request
    const statements = batch.map(({ request: { sql, saved, asOf, timeline } }) => ({
      sql,
      saved,
      asOf,
      timeline,
    }))
    return lookupMany?.({ key, values, statements, signal }) ?? []
  }

  return (request) => {
    const { key, values } = request
    if (values.length > maxKeys) return lookup(request)
    if (groups.size === 0) setImmediate(flush)
    const name = JSON.stringify([key, values], writeBigint)
    const group = groups.get(name) ?? []
    groups.set(name, group)
    const result = new Promise<LookupResult>((resolve) => {
      group.push({ request, resolve })
    })
    return unlessAborted(result, request.signal)
  }
}

function writeBigint(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}
