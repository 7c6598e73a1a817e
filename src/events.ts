// What one part of the gateway tells the others while it runs: progress, new datasets' states, changed online values.

import { createPubSub } from 'graphql-yoga'

/** `online` names the index values that changed, or null when any may have. */
export type Topics = {
  publishJob: [jobId: string, change: { jobId: string }]
  dataset: [datasetId: string, change: { datasetId: string }]
  online: [view: string, change: { values: readonly string[] | null }]
}

/** Subscriptions are async iterables whose `return()` unsubscribes at once, even while a `next()` waits. */
export type Events = ReturnType<typeof createEvents>

export function createEvents() {
  return createPubSub<Topics>()
}
