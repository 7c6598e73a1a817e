// The load generator as the benchmark uses it: a run in a process of its own, and rounds of the gateway beside its peer's.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Comparison, compare, type Pair } from '../comparison.ts'
import type { Workload } from '../load.ts'
import type { OpenLoopOptions, OpenLoopResult } from './main.ts'

/** Where the load generator is later than this, once in a hundred requests, a run tells of the machine and not of the server. */
export const maxLatenessMs = 1
/** A percentile of a thousand needs some thousands of requests. */
const minRequests = 3_000
const triesPerRound = 3

export const latenessMeasure = 'p99 of the load generator’s lateness'

const measures: Record<string, (result: OpenLoopResult) => number> = {
  p50: ({ latencyMs }) => latencyMs.p50,
  p99: ({ latencyMs }) => latencyMs.p99,
  'p99.9': ({ latencyMs }) => latencyMs.p999,
  [latenessMeasure]: ({ latenessMs }) => latenessMs.p99,
}

/** So many requests a second, whether or not the server keeps up. */
export async function pace(
  url: string,
  { path, bodies }: Workload,
  requestsPerSecond: number,
  seconds: number,
): Promise<OpenLoopResult> {
  const options: OpenLoopOptions = { url: `${url}${path}`, bodies, requestsPerSecond, seconds }
  const running = promisify(execFile)(process.execPath, [join(import.meta.dirname, 'main.ts')])
  running.child.stdin?.end(JSON.stringify(options))
  return JSON.parse((await running).stdout) as OpenLoopResult
}

/** So long that percentiles can be told. */
export function secondsAt(requestsPerSecond: number, quick: boolean): number {
  return quick ? 1 : Math.max(2, minRequests / requestsPerSecond)
}

interface Sides {
  gateway(): Promise<OpenLoopResult>
  peer(): Promise<OpenLoopResult>
}

/** A row for each percentile, of rounds in which the load generator kept its time; none where it never did, which is then said. */
export async function compareLatency(
  names: Pick<Comparison, 'area' | 'work' | 'peer'>,
  { gateway, peer }: Sides,
  rounds: number,
): Promise<Comparison[]> {
  const valid: { gateway: OpenLoopResult; peer: OpenLoopResult }[] = []
  let [tries, latestMs] = [0, 0]
  for (; valid.length < rounds && tries < rounds * triesPerRound; tries++) {
    const isGatewayFirst = tries % 2 === 0
    const first = await (isGatewayFirst ? gateway() : peer())
    const second = await (isGatewayFirst ? peer() : gateway())
    const latenessMs = Math.max(first.latenessMs.p99, second.latenessMs.p99)
    latestMs = Math.max(latestMs, latenessMs)
    if (latenessMs > maxLatenessMs) continue
    valid.push(isGatewayFirst ? { gateway: first, peer: second } : { gateway: second, peer: first })
  }
  if (valid.length < tries) {
    console.log(
      `${names.work}: ${tries - valid.length} of ${tries} rounds are not valid, the load generator was up to ${latestMs.toFixed(1)} ms late`,
    )
  }
  if (valid.length === 0) return []
  return Object.entries(measures).map(([measure, read]) => {
    const pairs: Pair[] = valid.map((round) => ({ gateway: read(round.gateway), peer: read(round.peer) }))
    return compare({ ...names, measure }, pairs, (ms) => `${ms.toFixed(2)} ms`)
  })
}
