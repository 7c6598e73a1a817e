// The table of a job's states, against what it must mean.

import { describe, expect, it } from 'vitest'
import { isEnded, jobStatuses, nextStatuses, statusesBefore } from '../../src/catalog/job-states.ts'

describe('the states of a job', () => {
  it('end in three ways, and an ended job goes nowhere', () => {
    expect(jobStatuses.filter(isEnded)).toEqual(['SUCCEEDED', 'FAILED', 'CANCELLED'])
  })

  it('are each reached from QUEUED', () => {
    const reached = new Set<string>(['QUEUED'])
    for (const from of reached) {
      for (const next of nextStatuses[from as keyof typeof nextStatuses]) reached.add(next)
    }
    expect([...reached].sort()).toEqual([...jobStatuses].sort())
  })

  it.each(jobStatuses.flatMap((from) => jobStatuses.map((to) => [from, to] as const)))(
    'agree with the table on %s → %s',
    (from, to) => {
      const staying = from === to && !isEnded(from)
      expect(statusesBefore(to).includes(from)).toBe(nextStatuses[from].includes(to) || staying)
    },
  )

  it('allow a change without a new state until the end', () => {
    expect(statusesBefore(undefined)).toEqual(['QUEUED', 'RUNNING'])
  })
})
