// The floors that this process knows, above whatever the server says: a server may lose one, a process does not.

import type { OnlineStore } from '../port.ts'

export interface FloorMemory {
  note(view: string, floor: number): void
  known(view: string): number
  forget(view: string): void
  all(): readonly (readonly [view: string, floor: number])[]
}

export function createFloorMemory(): FloorMemory {
  const floors = new Map<string, number>()
  return {
    note(view, floor) {
      if (floor > (floors.get(view) ?? 0)) floors.set(view, floor)
    },
    known: (view) => floors.get(view) ?? 0,
    forget: (view) => void floors.delete(view),
    all: () => [...floors],
  }
}

/** The store, with a floor that has been seen or raised never lower again; one that the server lost is raised anew. */
export function withFloorMemory(store: OnlineStore, floors: FloorMemory): OnlineStore {
  const raising = new Set<string>()

  async function raiseAgain(view: string) {
    if (raising.has(view)) return
    raising.add(view)
    try {
      await store.raiseFloor(view, floors.known(view))
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
        const known = floors.known(view)
        if (answer.floor >= known) {
          floors.note(view, answer.floor)
          return answer
        }
        void raiseAgain(view)
        return { ...answer, floor: known }
      })
    },
    async raiseFloor(view, version) {
      await store.raiseFloor(view, version)
      floors.note(view, version)
    },
    async dropView(view) {
      floors.forget(view)
      await store.dropView(view)
      floors.forget(view)
    },
  }
}
