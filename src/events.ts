// What one part of the gateway tells the others while it runs: progress, new datasets' states, changed online values.

import { EventEmitter } from 'node:events'

/** `online` names the index values that changed, or null when any may have. */
export interface Topics {
  publishJob: { jobId: string }
  dataset: { datasetId: string }
  online: { values: readonly string[] | null }
}

/** `id` is a publish job's, a dataset's, or for `online` a feature view's. Listeners are called at once and must not throw. */
export interface Events {
  publish<T extends keyof Topics>(topic: T, id: string, change: Topics[T]): void
  /** Calls the listener at each change until the returned function is called. */
  listen<T extends keyof Topics>(topic: T, id: string, listener: (change: Topics[T]) => void): () => void
}

export function createEvents(): Events {
  const emitter = new EventEmitter().setMaxListeners(0)
  return {
    publish: (topic, id, change) => void emitter.emit(`${topic} ${id}`, change),
    listen(topic, id, listener) {
      const name = `${topic} ${id}`
      emitter.on(name, listener)
      return () => void emitter.off(name, listener)
    },
  }
}
