// A dataset's state as it changes: the present one first, then each change, then its end.

import { Repeater } from 'graphql-yoga'
import type { DatasetRecord, Datasets } from '../catalog/datasets.ts'
import { isEnded } from '../catalog/job-states.ts'
import type { Events } from '../events.ts'

/**
 * Changes that come faster than the client takes them are passed over: it always gets the newest state.
 * `return()` unsubscribes at once, even while a `next()` waits.
 */
export function watchDataset(
  { datasets, events }: { datasets: Datasets; events: Events },
  datasetId: string,
): AsyncIterable<DatasetRecord> {
  return new Repeater<DatasetRecord>(async (push, stop) => {
    const changes = createChangeFlag(events, datasetId)
    stop.then(changes.close)
    try {
      let last = ''
      for (;;) {
        const dataset = await datasets.byId(datasetId)
        const state = `${dataset.status} ${dataset.progress}`
        if (state !== last) await Promise.race([push(dataset), stop])
        last = state
        if (isEnded(dataset.status) || !(await changes.next())) break
      }
      stop()
    } finally {
      changes.close()
    }
  })
}

/** Listens from the start; `next()` resolves to true once something changed since the last call, to false when closed. */
function createChangeFlag(events: Events, datasetId: string) {
  let changed = false
  let closed = false
  let wake = () => {}
  const end = events.listen('dataset', datasetId, () => {
    changed = true
    wake()
  })

  return {
    async next(): Promise<boolean> {
      if (!changed && !closed) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      changed = false
      return !closed
    },
    close() {
      if (closed) return
      closed = true
      wake()
      end()
    },
  }
}
