// What every request of the soak came to, and whether that was to be expected while something was broken on purpose.

export type FaultKind = 'gateway killed' | 'Redis killed' | 'Redis hangs' | 'PostgreSQL restarted'

/** What a client may be told while this lasts; nothing else, and nothing at all at other times. */
const excused: Record<FaultKind, ReadonlySet<string>> = {
  // The connection breaks or is refused; a dataset that was being made there ends as INTERNAL.
  'gateway killed': new Set(['BROKEN', 'INTERNAL']),
  'Redis killed': new Set(['ONLINE_STORE_UNAVAILABLE', 'TIMEOUT']),
  'Redis hangs': new Set(['ONLINE_STORE_UNAVAILABLE', 'TIMEOUT']),
  'PostgreSQL restarted': new Set(['WAREHOUSE_FAILED', 'CATALOG_UNAVAILABLE', 'TIMEOUT']),
}

/** So long after a fault is over its consequences may still show. */
const graceMs = 10_000

interface Fault {
  kind: FaultKind
  fromMs: number
  untilMs: number
}

export interface Unexpected {
  what: string
  code: string
  message: string
  atSecond: number
}

export type Outcomes = ReturnType<typeof createOutcomes>

export function createOutcomes() {
  const startedMs = Date.now()
  const counts = new Map<string, number>()
  const faults: Fault[] = []
  const unexpected: Unexpected[] = []

  function isExcused(code: string, fromMs: number, untilMs: number): boolean {
    return faults.some(
      (fault) =>
        excused[fault.kind].has(code) && fault.fromMs <= untilMs && fromMs <= fault.untilMs + graceMs,
    )
  }

  return {
    counts: counts as ReadonlyMap<string, number>,
    unexpected: unexpected as readonly Unexpected[],
    faults: faults as readonly Fault[],
    /** One that began at `fromMs` and ended now; `code` is OK, an error's code, BROKEN (no answer) or HUNG. */
    note(what: string, code: string, fromMs: number, message = '') {
      counts.set(code, (counts.get(code) ?? 0) + 1)
      const untilMs = Date.now()
      if (code === 'OK' || isExcused(code, fromMs, untilMs)) return
      unexpected.push({ what, code, message, atSecond: Math.round((untilMs - startedMs) / 1000) })
    },
    /** Runs what breaks something and mends it. */
    async during(kind: FaultKind, breakAndMend: () => Promise<void>) {
      const fault = { kind, fromMs: Date.now(), untilMs: Number.POSITIVE_INFINITY }
      faults.push(fault)
      await breakAndMend()
      fault.untilMs = Date.now()
    },
  }
}
