// A dataset's state as it changes: the present one first, then each change, then its end.

import type { DatasetRecord, Datasets } from '../catalog/datasets.ts'
import { isEnded } from '../catalog/job-states.ts'
import { followState } from '../concurrency/follow.ts'
import type { Events } from '../events.ts'

export function watchDataset(
  {
    datasets,
    events,
    signal,
  }: { datasets: Datasets; events: Events /** Ends the watching. */; signal?: AbortSignal },
  datasetId: string,
): AsyncIterable<DatasetRecord> {
  return followState({
    listen: (onChange) => events.listen('dataset', datasetId, onChange),
    read: () => datasets.byId(datasetId),
    isEnd: ({ status }) => isEnded(status),
    ...(signal && { signal }),
    isNews: ({ status, progress }, last) => status !== last.status || progress !== last.progress,
  })
}
