// JobStatus: where a dataset or a publish job stands.

import { jobStatuses } from '../catalog/job-states.ts'
import type { Builder } from './builder.ts'

export function addJobStatus(builder: Builder) {
  return builder.enumType('JobStatus', {
    description: 'Where work stands. One that has SUCCEEDED, FAILED or was CANCELLED never changes again.',
    values: jobStatuses,
  })
}

export type JobStatusRef = ReturnType<typeof addJobStatus>
