// What a process holds: memory of its own, file descriptors; and how fast that grows.

import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Usage {
  atMs: number
  /** Memory that no file backs: the embedded online store maps its file, which the system takes back as it likes. */
  anonymousMb: number
  descriptors: number
}

/** Null where the process is gone. */
export function readUsage(pid: number): Usage | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const anonymousKb = Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1])
    if (!Number.isFinite(anonymousKb)) return null
    return {
      atMs: Date.now(),
      anonymousMb: anonymousKb / 1024,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
    }
  } catch {
    return null
  }
}

/** The same once the process has collected its garbage (see collect-on-signal.ts). */
export async function readCollected(pid: number): Promise<Usage | null> {
  try {
    process.kill(pid, 'SIGUSR2')
  } catch {
    return null
  }
  await sleep(1_000)
  return readUsage(pid)
}

/** Megabytes a minute: the median slope of all pairs (Theil and Sen), which single peaks do not bend. Null for too few. */
export function slopeOf(samples: readonly Usage[]): number | null {
  const slopes: number[] = []
  for (const [i, a] of samples.entries()) {
    for (const b of samples.slice(i + 1)) {
      if (b.atMs > a.atMs) slopes.push(((b.anonymousMb - a.anonymousMb) / (b.atMs - a.atMs)) * 60_000)
    }
  }
  if (slopes.length < 10) return null
  return slopes.toSorted((x, y) => x - y)[Math.floor(slopes.length / 2)] ?? null
}
