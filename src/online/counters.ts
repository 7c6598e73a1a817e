// Counts that gateways share, for limits that hold across them.

export interface Count {
  key: string
  amount: number
  /** The count is forgotten so long after it was last added to. */
  expiresInMs: number
}

/**
 * Not here: what is counted, and what is done at a limit (http). Counts may be lost with a server's memory; they are
 * no part of what the online store promises.
 */
export interface SharedCounters {
  /** Adds to each count, which begins at 0, and resolves to the totals in order. Rejects within half a second. */
  add(counts: readonly Count[]): Promise<readonly number[]>
  close(): Promise<void>
}
