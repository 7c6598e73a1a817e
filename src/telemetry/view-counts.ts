// What is counted of each feature view: which of them are asked for, and which cost what to keep current.

import type { Count, Families } from './families.ts'

/** Views told apart by one process; those that come later are counted together. */
const maxViews = 200

export interface ViewCounts {
  /** Index values answered from the online store. */
  online: Count
  /** Index values that were computed for a lookup. */
  computed: Count
  /** Spent on refreshes by key and in full. */
  refreshSeconds: Count
  refreshFailures: Count
}

export type ViewCountsOf = (view: { record: { name: string } }) => ViewCounts

export function createViewCounts({ counter }: Families): ViewCountsOf {
  const lookups = counter({
    name: 'gateway_view_lookups_total',
    help: 'Index values looked up, by feature view and where their rows came from',
    labels: ['view', 'source'],
  })
  const seconds = counter({
    name: 'gateway_view_refresh_seconds_total',
    help: 'Time spent on refreshing a feature view, by key and in full',
    labels: ['view'],
  })
  const failures = counter({
    name: 'gateway_view_refresh_failures_total',
    help: 'Refreshes of a feature view that failed',
    labels: ['view'],
  })
  const known = new Map<string, ViewCounts>()

  function add(name: string): ViewCounts {
    const added = {
      online: lookups(name, 'ONLINE'),
      computed: lookups(name, 'WAREHOUSE'),
      refreshSeconds: seconds(name),
      refreshFailures: failures(name),
    }
    known.set(name, added)
    return added
  }

  return ({ record: { name } }) =>
    known.get(name) ?? (known.size < maxViews ? add(name) : (known.get('other views') ?? add('other views')))
}
