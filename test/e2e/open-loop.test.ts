// The benchmark's load generator: what a server delays is latency, and what the generator itself delays is told beside it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { OpenLoopResult } from '../../bench/open-loop/main.ts'
import { compareLatency, pace } from '../../bench/open-loop/pace.ts'

let answer = (response: ServerResponse) => void response.end('{}')
const server = createServer((request, response) => {
  request.resume().once('end', () => answer(response))
})
let url = ''

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const workload = { path: '/', bodies: ['{"a":1}', '{"a":"é"}'] }
const names = { area: 'area', work: 'work', peer: 'peer' }

/** The server answers nothing from its hundredth request on, for so long. */
function stallFor(ms: number) {
  const waiting: ServerResponse[] = []
  let requests = 0
  answer = (response) => {
    if (++requests < 100) return void response.end('{}')
    waiting.push(response)
    if (requests > 100) return
    setTimeout(() => {
      answer = (late) => void late.end('{}')
      for (const late of waiting) late.end('{}')
    }, ms)
  }
}

test('requests that are due while a server stalls wait for it, whether or not a connection is free for them', async () => {
  stallFor(1_500)
  // Of 400 a second over two seconds most are due in the stall; 64 connections carry a tenth of them.
  const { requests, latencyMs } = await pace(url, workload, 400, 2)
  expect(requests).toBe(800)
  expect(latencyMs.p50).toBeGreaterThan(300)
  expect(latencyMs.p99).toBeGreaterThan(1_200)
})

test('a generator that could not run tells how late it was', async () => {
  answer = (response) => void response.end('{}')
  const generator = spawn(process.execPath, ['bench/open-loop/main.ts'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const printed = text(generator.stdout)
  const options = { url: `${url}/`, bodies: workload.bodies, requestsPerSecond: 200, seconds: 1 }
  generator.stdin.end(JSON.stringify(options))
  await once(server, 'request')
  await sleep(700)
  generator.kill('SIGSTOP')
  await sleep(500)
  generator.kill('SIGCONT')
  const { latenessMs, latencyMs } = JSON.parse(await printed) as OpenLoopResult
  expect(latenessMs.p99).toBeGreaterThan(400)
  expect(latencyMs.p99).toBeGreaterThan(400)
})

test('an answer that is not 200 ends the run', async () => {
  answer = (response) => void response.writeHead(503).end('{}')
  await expect(pace(url, workload, 100, 1)).rejects.toThrow('HTTP/1.1 503')
})

test('rounds of a late generator are left out, and where there are no others there is no row', async () => {
  const result = (ms: number, lateMs: number): OpenLoopResult => ({
    requests: 1,
    latencyMs: { p50: ms, p99: 2 * ms, p999: 3 * ms },
    latenessMs: { p50: 0, p99: lateMs, p999: lateMs },
  })
  const lateness = [5, 0.5, 0.5]
  const gateway = async () => result(2, lateness.shift() ?? 0.5)
  const peer = async () => result(4, 0.1)
  const rows = await compareLatency(names, { gateway, peer }, 2)
  expect(rows.map(({ measure, gateway, ratio }) => [measure, gateway, ratio])).toEqual([
    ['p50', '2.00 ms', 0.5],
    ['p99', '4.00 ms', 0.5],
    ['p99.9', '6.00 ms', 0.5],
    ['p99 of the load generator’s lateness', '0.50 ms', 5],
  ])
  expect(lateness).toEqual([])
  expect(await compareLatency(names, { gateway, peer: async () => result(4, 2) }, 1)).toEqual([])
})
