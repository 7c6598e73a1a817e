// Marks: counts on the servers that only rise, by which a server that has lost acknowledged writes gives itself away.

/**
 * After the writes of one command comes the rise of its server's mark. A server that comes back without its latest
 * writes (a failover before they were replicated, a restart from an older snapshot, no persistence at all) comes back
 * with a lower mark than this process has seen, and all that it answers is to be taken for missing: its entries may
 * be older than what was acknowledged, its watermarks lower.
 */
export interface Marks {
  /** The highest count seen of a mark; 0 of one never seen. To be asked before the command that reads it is sent. */
  seen(key: string): number
  /** Whether the server still had what it had when `expected` was asked for. */
  check(key: string, count: number, expected: number): boolean
  all(): readonly (readonly [key: string, count: number])[]
}

export function createMarks(onLoss: () => void): Marks {
  const highest = new Map<string, number>()
  return {
    seen: (key) => highest.get(key) ?? 0,
    check(key, count, expected) {
      if (count > (highest.get(key) ?? 0)) highest.set(key, count)
      if (count >= expected) return true
      onLoss()
      return false
    },
    all: () => [...highest],
  }
}
