// What one part of the gateway tells the others while it runs: progress, new datasets' states, changed online values.

import { EventEmitter } from 'node:events'

/** `online` names the index values that changed, or null when any may have. `views` says that another view may serve a target now, or give other columns, `apiKeys` that one was made or revoked, `watermarks` that the catalog holds a view's watermark which the online store could not be told, `deletedDatasets` that files are to go. */
export interface Topics {
  publishJob: { jobId: string }
  dataset: { datasetId: string }
  datasetCancel: { datasetId: string }
  online: { values: readonly string[] | null }
  views: { changed: true }
  apiKeys: { changed: true }
  watermarks: { changed: true }
  deletedDatasets: { changed: true }
}

/**
 * `id` is a publish job's, a dataset's (`datasetCancel`: its maker is asked to stop), for `online` a feature view's, for `views`, `apiKeys`, `watermarks` and `deletedDatasets` always `all`. Listeners of this process
 * are called at once and must not throw; those of other gateways on the same catalog soon after, and after an
 * interruption once more for whatever they may have missed: a listener reads the new state anew.
 */
export interface Events {
  publish<T extends keyof Topics>(topic: T, id: string, change: Topics[T]): void
  /** Calls the listener at each change until the returned function is called. */
  listen<T extends keyof Topics>(topic: T, id: string, listener: (change: Topics[T]) => void): () => void
}

/** Events of one process. */
export interface LocalEvents extends Events {
  isHeard(topic: keyof Topics, id: string): boolean
  /** Tells every listener that anything may have changed. */
  publishAll(): void
}

/** What says of each topic that anything may have changed. */
const anything: { [T in keyof Topics]: (id: string) => Topics[T] } = {
  publishJob: (jobId) => ({ jobId }),
  dataset: (datasetId) => ({ datasetId }),
  datasetCancel: (datasetId) => ({ datasetId }),
  online: () => ({ values: null }),
  views: () => ({ changed: true }),
  apiKeys: () => ({ changed: true }),
  watermarks: () => ({ changed: true }),
  deletedDatasets: () => ({ changed: true }),
}

export function isTopic(text: string): text is keyof Topics {
  return Object.hasOwn(anything, text)
}

export function createEvents(): LocalEvents {
  const emitter = new EventEmitter().setMaxListeners(0)
  return {
    publish: (topic, id, change) => void emitter.emit(`${topic} ${id}`, change),
    listen(topic, id, listener) {
      const name = `${topic} ${id}`
      emitter.on(name, listener)
      return () => void emitter.off(name, listener)
    },
    isHeard: (topic, id) => emitter.listenerCount(`${topic} ${id}`) > 0,
    publishAll() {
      for (const name of emitter.eventNames()) {
        const [topic = '', id = ''] = String(name).split(' ')
        if (isTopic(topic)) emitter.emit(name, anything[topic](id))
      }
    },
  }
}
