// Asks a gateway for its health again and again, and tells how long its event loop was held up; beside that it looks up, if asked to.

import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Watched {
  url: string
  pid: number
  /** Sent two hundred times a second. */
  lookup?: { body: string; authorization: string } | undefined
}

export interface Seen {
  heldMs: number
  /** How lookups, and questions for health that failed, ended. */
  ends: Record<string, number>
}

const lookupEveryMs = 5
const healthEveryMs = 10
const maxUnderWay = 64

const watched = JSON.parse(process.argv[2] ?? '') as Watched
let seen: Seen = { heldMs: 0, ends: {} }
const count = (end: unknown) => {
  seen.ends[String(end)] = (seen.ends[String(end)] ?? 0) + 1
}

/**
 * What the gateway's main thread has worked, in milliseconds: on a busy machine it is made to wait besides, which is not
 * its fault. Where the system does not tell, time that passes is the nearest.
 */
function workedMs(): number {
  try {
    const [ran] = readFileSync(`/proc/${watched.pid}/task/${watched.pid}/schedstat`, 'utf8').split(' ')
    return Number(ran) / 1e6
  } catch {
    return performance.now()
  }
}

function ask(path: string, agent: Agent, body?: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const headers = {
    'content-type': 'application/json',
    ...(watched.lookup && { authorization: watched.lookup.authorization }),
  }
  const method = body === undefined ? 'GET' : 'POST'
  const asked = request(`${watched.url}${path}`, { method, agent, headers }, (response) => {
    response
      .resume()
      .once('end', () => resolve(response.statusCode ?? 0))
      .once('error', reject)
  })
  asked.once('error', reject)
  asked.end(body)
  return promise
}

let asked = { atMs: performance.now(), workedMs: workedMs() }

function noteHeld() {
  const heldMs = Math.min(workedMs() - asked.workedMs, performance.now() - asked.atMs)
  seen.heldMs = Math.max(seen.heldMs, heldMs)
}

async function watchHealth() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (;;) {
    asked = { atMs: performance.now(), workedMs: workedMs() }
    const status = await ask('/healthz', agent).catch((error: unknown) => error)
    if (status !== 200) count(`healthz ${status}`)
    noteHeld()
    asked = { atMs: performance.now(), workedMs: Number.POSITIVE_INFINITY }
    await sleep(healthEveryMs)
  }
}

function lookUp(body: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  let underWay = 0
  setInterval(() => {
    if (underWay >= maxUnderWay) return
    underWay++
    ask('/query/realtime', agent, body)
      .then(count, count)
      .finally(() => underWay--)
  }, lookupEveryMs)
}

process.on('message', () => {
  // Who is still waited for counts too.
  noteHeld()
  process.send?.(seen)
  seen = { heldMs: 0, ends: {} }
})
process.on('disconnect', () => process.exit())
if (watched.lookup) lookUp(watched.lookup.body)
await watchHealth()
