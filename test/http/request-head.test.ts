// A request's head, whole and in part, beside Node's parser: what the wire reads Node reads alike, and what it waits for Node waits for too.

import { createServer, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { mayBecomeHead, readHead } from '../../src/http/wire/request-head.ts'
import { tries } from '../thorough.ts'
import { conversation } from './wire-requests.ts'

/** `.ci/run` and whoever looks for a fault ask for more. */
const heads = tries({ all: 40_000, part: 5000 })

let objected = false
let read: IncomingMessage | null = null
const server = createServer((request) => {
  read = request
})
for (const event of ['clientError', 'upgrade', 'checkExpectation', 'checkContinue', 'connect'])
  server.on(event, () => {
    objected ||= event === 'clientError'
  })

afterAll(() => server.close())

/** What Node's parser makes of bytes that come at once; it is done with them when this returns. */
function parse(text: string) {
  ;[objected, read] = [false, null]
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  socket.on('error', () => undefined)
  server.emit('connection', socket)
  socket.emit('data', Buffer.from(text, 'latin1'))
  socket.destroy()
  return { objected, read: read as IncomingMessage | null }
}

const change = fc.record({
  at: fc.nat(400),
  drop: fc.nat(4),
  put: fc.constantFrom('', '', ' ', ':', '\r', '\n', 'a', '9', '\xe4'),
})

/** What clients send, at times with a few bytes changed. */
const text = fc
  .tuple(conversation, fc.oneof(fc.constant([]), fc.array(change, { maxLength: 2 })))
  .map(([{ texts }, changes]) =>
    changes.reduce(
      (text, { at, drop, put }) => text.slice(0, at) + put + text.slice(at + drop),
      Buffer.from(texts.join('')).toString('latin1'),
    ),
  )

test('what is waited for Node waits for too', () => {
  let waited = 0
  fc.assert(
    fc.property(text, fc.nat(400), (text, length) => {
      const part = text.slice(0, length % (text.length + 1))
      if (part.includes('\r\n\r\n') || !mayBecomeHead(part)) return
      waited++
      expect(parse(part)).toEqual({ objected: false, read: null })
    }),
    { numRuns: heads },
  )
  expect(waited).toBeGreaterThan(heads / 10)
})

test('a head that is read is read as Node reads it', () => {
  let compared = 0
  fc.assert(
    fc.property(text, (text) => {
      const end = text.indexOf('\r\n\r\n') + 4
      const head = end < 4 ? null : readHead(text.slice(0, end))
      if (head === null) return
      compared++
      const { objected, read } = parse(text.slice(0, end))
      expect(objected).toBe(false)
      const { method, target } = head
      // Node's object has a prototype: a header of that name does not get into it.
      const headers = Object.assign({}, head.headers)
      expect([read?.method, read?.url, read?.headers]).toEqual([method, target, headers])
    }),
    { numRuns: heads },
  )
  expect(compared).toBeGreaterThan(heads / 10)
})
