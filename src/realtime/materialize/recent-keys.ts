// Which index values of each view were touched last: those that a check looks at first.

export interface RecentKeys {
  note(viewId: string, texts: Iterable<string>): void
  /** At most `count`, the latest first; they are forgotten. */
  take(viewId: string, count: number): readonly string[]
  /** Forgets those of all other views: they are removed. */
  keepOnly(viewIds: ReadonlySet<string>): void
}

/** Of each view; older ones give way. */
const maxKept = 1000

export function createRecentKeys(): RecentKeys {
  const byView = new Map<string, Set<string>>()
  return {
    note(viewId, texts) {
      const known = byView.get(viewId) ?? new Set()
      byView.set(viewId, known)
      for (const text of texts) {
        known.delete(text)
        known.add(text)
      }
      for (const oldest of known) {
        if (known.size <= maxKept) break
        known.delete(oldest)
      }
    },
    take(viewId, count) {
      const known = byView.get(viewId)
      byView.delete(viewId)
      return [...(known ?? [])].reverse().slice(0, count)
    },
    keepOnly(viewIds) {
      for (const viewId of byView.keys()) if (!viewIds.has(viewId)) byView.delete(viewId)
    },
  }
}
