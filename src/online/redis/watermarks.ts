// The watermarks that this process knows, above whatever the server says: a server may lose one, a process does not.

import type { OnlineStore } from '../port.ts'

export interface WatermarkMemory {
  note(view: string, watermark: number): void
  known(view: string): number
  forget(view: string): void
  all(): readonly (readonly [view: string, watermark: number])[]
}

export function createWatermarkMemory(): WatermarkMemory {
  const watermarks = new Map<string, number>()
  return {
    note(view, watermark) {
      if (watermark > (watermarks.get(view) ?? 0)) watermarks.set(view, watermark)
    },
    known: (view) => watermarks.get(view) ?? 0,
    forget: (view) => void watermarks.delete(view),
    all: () => [...watermarks],
  }
}

/** The store, with a watermark that has been seen or raised never lower again; one that the server lost is raised anew. */
export function withWatermarkMemory(store: OnlineStore, watermarks: WatermarkMemory): OnlineStore {
  const raising = new Set<string>()

  async function raiseAgain(view: string) {
    if (raising.has(view)) return
    raising.add(view)
    try {
      await store.raiseWatermark(view, watermarks.known(view))
    } catch {
      // The next read that finds it low tries again.
    } finally {
      raising.delete(view)
    }
  }

  return {
    ...store,
    async read(requests) {
      const answers = await store.read(requests)
      return answers.map((answer, i) => {
        const view = requests[i]?.view ?? ''
        const known = watermarks.known(view)
        if (answer.watermark >= known) {
          watermarks.note(view, answer.watermark)
          return answer
        }
        void raiseAgain(view)
        return { ...answer, watermark: known }
      })
    },
    async raiseWatermark(view, version) {
      await store.raiseWatermark(view, version)
      watermarks.note(view, version)
    },
    async dropView(view) {
      watermarks.forget(view)
      await store.dropView(view)
      watermarks.forget(view)
    },
  }
}
