// Random requests to the wire and to a plain Node server: they agree on what is a request, what answers it and when the connection ends.

import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { tries } from '../thorough.ts'
import { conversation } from './wire-requests.ts'
import { closeServers, cut, exchange, last, open, start, withoutAccidents } from './wire-servers.ts'

/** `.ci/run` and whoever looks for a fault ask for more. */
const exchanges = tries({ all: 800, part: 150 })

afterEach(closeServers)

/** Two exchanges, in which whatever was on its way has been answered: nobody waits for a timer here. */
async function settle(port: number) {
  for (let i = 0; i < 2; i++) await exchange(port, [last])
}

interface Said {
  received: string
  isClosed: boolean
  /** Something lay unread at the server as it closed: the end of what it had said may be lost. */
  wasReset: boolean
}

const refusal = /HTTP\/1\.1 4\d\d [^\n]*\nConnection: close\r\n\r\n$/

/**
 * Null where both said the same. At what is no request, or comes after the last one, Node's parser refuses at once, if it
 * is not amid an answer, and forgets whom it has not answered yet: how many those are depends on what has come together,
 * and the wire answers its lookups first. Then whatever one of them said is how the other began, and both have closed.
 */
function differenceOf(wire: Said, node: Said) {
  if (wire.isClosed === node.isClosed && wire.received === node.received) return null
  const both = [wire, node]
  const isRefused = both.some(({ received, wasReset }) => wasReset || refusal.test(received))
  const [short = '', long = ''] = both
    .map(({ received }) => received.replace(refusal, ''))
    .sort((a, b) => a.length - b.length)
  return isRefused && wire.isClosed && node.isClosed && long.startsWith(short) ? null : { wire, node }
}

async function openConversation(port: number) {
  const { socket, closed, received } = await open(port)
  let [isClosed, wasReset] = [false, false]
  socket.once('error', ({ message }) => {
    wasReset = /ECONNRESET|EPIPE/.test(message)
  })
  void closed.then(() => {
    isClosed = true
  })
  const state = (): Said => ({
    received: withoutAccidents(received()),
    isClosed: isClosed || socket.readableEnded,
    wasReset,
  })
  return {
    async say(pieces: readonly Buffer[]) {
      for (const piece of pieces) {
        if (socket.destroyed) break
        socket.write(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await settle(port)
    },
    state,
    async end() {
      socket.end()
      await closed
      return state()
    },
  }
}

/** Node upgrades a connection, or closes it upon CONNECT, before it has answered what came earlier: so that is waited for. */
function stepsOf(texts: readonly string[]): string[] {
  const steps: string[] = []
  for (const text of texts) {
    const latest = steps.pop()
    if (latest === undefined) steps.push(text)
    else if (/upgrade|^CONNECT /i.test(text)) steps.push(latest, text)
    else steps.push(latest + text)
  }
  return steps
}

test('whatever is sent, both answer alike, and end the connection alike', async () => {
  const [wire, node] = await Promise.all([
    start({ withWire: true, upgrades: true }),
    start({ withWire: false, upgrades: true }),
  ])
  const statuses = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(conversation, async ({ texts, places, isByteWise, endsByRequest }) => {
      const [ours, nodes] = await Promise.all([openConversation(wire.port), openConversation(node.port)])
      for (const step of stepsOf(endsByRequest ? [...texts, last] : texts)) {
        const pieces = cut(step, isByteWise ? Array.from(step, (_, i) => i) : places)
        await Promise.all([ours.say(pieces), nodes.say(pieces)])
        // What only comes with the client's end, or its time, is not waited for here.
        await expect
          .poll(() => differenceOf(ours.state(), nodes.state()), { timeout: 5_000, interval: 5 })
          .toBeNull()
      }
      const [ourEnd, nodesEnd] = await Promise.all([ours.end(), nodes.end()])
      expect(differenceOf(ourEnd, nodesEnd)).toBeNull()
      for (const [status] of nodesEnd.received.matchAll(/HTTP\/1\.1 \d+/g))
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }),
    { numRuns: exchanges },
  )
  // Of all kinds there was something.
  for (const status of ['100', '101', '200', '400'])
    expect(statuses.get(`HTTP/1.1 ${status}`)).toBeGreaterThan(0)
  expect(wire.counts.taken).toBeGreaterThan(exchanges / 10)
}, 600_000)
