// Which views somebody has looked up lately, on this gateway: their work comes before that of views nobody looks at.

export interface LookedUp {
  note(viewId: string): void
  isLately(viewId: string): boolean
  /** Those that were looked up lately first, else as they come. */
  sort<Item extends { id: string }>(views: readonly Item[]): Item[]
}

const latelyMs = 10 * 60_000

/** `onBegun` hears of a view that somebody looks up again, or for the first time, after it was left alone. */
export function createLookedUp(onBegun: (viewId: string) => void): LookedUp {
  const lastMs = new Map<string, number>()
  const isLately = (viewId: string) => Date.now() - (lastMs.get(viewId) ?? 0) < latelyMs
  return {
    note(viewId) {
      const wasLately = isLately(viewId)
      lastMs.set(viewId, Date.now())
      if (!wasLately) onBegun(viewId)
    },
    isLately,
    sort(views) {
      for (const viewId of lastMs.keys()) if (!isLately(viewId)) lastMs.delete(viewId)
      return [...views.filter(({ id }) => isLately(id)), ...views.filter(({ id }) => !isLately(id))]
    },
  }
}
