// JobStatus: where a dataset or a publish job stands.

import type { Builder } from './builder.ts'

export function addJobStatus(builder: Builder) {
  return builder.enumType('JobStatus', {
    description: 'Where work stands. One that has SUCCEEDED, FAILED or was CANCELLED never changes again.',
    values: ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const,
  })
}

export type JobStatusRef = ReturnType<typeof addJobStatus>
