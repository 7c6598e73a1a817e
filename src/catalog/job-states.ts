// The states of a publish job and of a dataset, and the ways between them.

import { AppError } from '../errors.ts'

export const jobStatuses = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const

export type JobStatus = (typeof jobStatuses)[number]

/** RUNNING → QUEUED: handed back by a process that stops, for another to go on with. */
export const nextStatuses: Record<JobStatus, readonly JobStatus[]> = {
  QUEUED: ['RUNNING', 'FAILED', 'CANCELLED'],
  RUNNING: ['QUEUED', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  SUCCEEDED: [],
  FAILED: [],
  CANCELLED: [],
}

export function isEnded(status: JobStatus): boolean {
  return nextStatuses[status].length === 0
}

/** The states from which a change may be made: to `next`, or without a change of state. Staying is allowed until the end. */
export function statusesBefore(next: JobStatus | undefined): JobStatus[] {
  return jobStatuses.filter((status) => {
    if (next === undefined) return !isEnded(status)
    return nextStatuses[status].includes(next) || (status === next && !isEnded(status))
  })
}

/** Why a change was refused, for the client. */
export function refusal(what: string, id: string, status: JobStatus, next: JobStatus | undefined): AppError {
  const message = isEnded(status)
    ? `The ${what} ${id} has ended (${status}) and does not change any more`
    : `The ${what} ${id} is ${status} and cannot become ${next ?? status}`
  return new AppError('CONFLICT', message, { details: { status } })
}
