// As many requests as a server answers: by wrk, a second process; and what Redis alone answers.

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { createFolder } from '../test/servers/child.ts'
import { drawKeys } from './features.ts'

const run = promisify(execFile)

/** A kind of request, in as many forms as it takes that no cache of the server's own explains the figures. */
export interface Workload {
  path: string
  bodies: readonly string[]
}

const connections = 64

/** Past this a server that has answered nothing is at fault, not busy. */
const maxSeconds = 60

/** Requests one after the other on each of 64 connections; for longer where none was answered in that time. */
export async function saturate(
  url: string,
  workload: Workload,
  seconds: number,
): Promise<{ requestsPerSecond: number }> {
  const { requests, requestsPerSecond } = await runWrk(url, workload, seconds)
  if (requests > 0) return { requestsPerSecond }
  if (seconds >= maxSeconds) throw new Error(`${url} has answered no request in ${seconds} s`)
  return saturate(url, workload, Math.min(seconds * 4, maxSeconds))
}

async function runWrk(url: string, { path, bodies }: Workload, seconds: number) {
  const folder = await createFolder('wrk')
  try {
    const script = join(folder.path, 'load.lua')
    await writeFile(script, luaScript(bodies))
    const args = [
      '-t1',
      `-c${connections}`,
      `-d${seconds}s`,
      '--timeout',
      `${maxSeconds}s`,
      '-s',
      script,
      `${url}${path}`,
    ]
    const { stdout } = await run('wrk', args).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT'
        ? new Error('wrk is not on this machine: install it (Debian: apt-get install wrk)')
        : error
    })
    return parseReport(stdout)
  } finally {
    await folder.remove()
  }
}

function luaScript(bodies: readonly string[]): string {
  const literals = bodies.map((body) => `[==[${body}]==]`)
  return `local bodies = {${literals.join(',\n')}}
local next = 0
wrk.method = 'POST'
wrk.headers['content-type'] = 'application/json'
request = function()
  next = next % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[next])
end
done = function(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print('RESULT ' .. summary.requests .. ' ' .. summary.duration .. ' ' .. failed)
end
`
}

function parseReport(report: string): { requests: number; requestsPerSecond: number } {
  const [requests = 0, durationUs = 0, failed = 0] = (/RESULT (.*)/.exec(report)?.[1] ?? '')
    .split(' ')
    .map(Number)
  if (failed > 0) throw new Error(`${failed} of ${requests} requests failed\n${report}`)
  return { requests, requestsPerSecond: requests / (durationUs / 1e6) }
}

/** Commands a second, one after the other on as many loops as `saturate` has connections, over one of ioredis. */
export async function mget(
  redisUrl: string,
  { prefix, users, keys, seconds }: { prefix: string; users: number; keys: number; seconds: number },
): Promise<number> {
  const redis = new Redis(redisUrl)
  const draws = drawKeys(users, keys, 50).map((ids) => ids.map((id) => prefix + id))
  const untilMs = performance.now() + seconds * 1000
  let done = 0
  const ask = async () => {
    while (performance.now() < untilMs) {
      const values = await redis.mgetBuffer(draws[done++ % draws.length] ?? [])
      if (values.includes(null)) throw new Error('A key is not online')
    }
  }
  try {
    await Promise.all(Array.from({ length: connections }, ask))
    return done / seconds
  } finally {
    redis.disconnect()
  }
}
