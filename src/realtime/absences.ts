// What lookups have found to have no rows, as far as the online store remembers it for this process: so much and no more, the oldest out.

import { valueKey } from '../online/keys.ts'
import type { OnlineStore, WriteEntry } from '../online/port.ts'

export interface Absences {
  /** Has the store remember those of these entries that may be dropped, and forget the oldest where they are too many. */
  note(view: string, entries: readonly WriteEntry[]): Promise<void>
}

/** What the store and this process take for one, as measured, beside the bytes of its key. */
const bytesEach = 400
/** Its key stands in the store, there once more to tell when it is due, and here. */
const timesItsKey = 3

export function createAbsences(options: {
  online: Pick<OnlineStore, 'removeDroppable'>
  maxBytes: number
}): Absences {
  const { online, maxBytes } = options
  /** View and key of the value, the oldest first, with what they take. */
  const remembered = new Map<string, number>()
  let bytes = 0

  function add(name: string, size: number) {
    bytes += size - (remembered.get(name) ?? 0)
    remembered.delete(name)
    remembered.set(name, size)
  }

  /** The keys to forget, by view. */
  function takeOldest(): Map<string, string[]> {
    const taken = new Map<string, string[]>()
    for (const [name, size] of remembered) {
      if (bytes <= maxBytes) break
      bytes -= size
      remembered.delete(name)
      const end = name.indexOf('\0')
      const view = name.slice(0, end)
      const keys = taken.get(view) ?? []
      taken.set(view, keys)
      keys.push(name.slice(end + 1))
    }
    return taken
  }

  return {
    async note(view, entries) {
      for (const { value, droppable } of entries) {
        if (droppable !== true) continue
        const key = valueKey(value)
        add(`${view}\0${key}`, bytesEach + timesItsKey * Buffer.byteLength(key))
      }
      for (const [of, keys] of takeOldest()) await online.removeDroppable(of, keys)
    },
  }
}
