// Requests at random, as clients write them and as they do not.

import fc from 'fast-check'
import { look, post } from './wire-servers.ts'

const usual = <Value>(value: Value, weight = 12) => ({ weight, arbitrary: fc.constant(value) })

const method = fc.oneof(
  usual('POST'),
  fc.constantFrom('GET', 'PUT', 'HEAD', 'OPTIONS', 'post', 'LOOK', 'CONNECT', 'PRI', ''),
)
const target = fc.oneof(
  usual('/look', 8),
  fc.constantFrom(
    '/body',
    '/early',
    '/look?a=1',
    '/other',
    '*',
    'http://h/look',
    '/lo ok',
    '/l\u00f6ok',
    '',
    '//look',
    '/look#a',
  ),
)
const version = fc.oneof(
  usual('HTTP/1.1', 30),
  fc.constantFrom('HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', 'HTTP/11', ''),
)
const lineEnd = fc.oneof(usual('\r\n', 60), fc.constantFrom('\n', '\r', '\r\r\n', '\n\r', ' \r\n'))
const oddByte = fc.constantFrom('\0', '\x01', '\x7f', '\x80', '\xa0', '\xff', '\t', '"', '(', '\v', '\x85')
const json = 'Content-Type: application/json'

const header = fc.oneof(
  usual('Host: localhost', 6),
  usual(json, 6),
  fc.constantFrom(
    'Connection: close',
    'Connection: keep-alive',
    'connection: Close',
    'Connection: close, x',
    'Connection: upgrade',
    'Keep-Alive: timeout=9',
  ),
  fc.constantFrom(
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: Chunked',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, x',
    'Transfer-Encoding:',
    'Transfer-Encoding : chunked',
  ),
  fc.constantFrom(
    'Content-Length: 8',
    'Content-Length: 0',
    'Content-Length: 08',
    'Content-Length:8 ',
    'Content-Length: 8,8',
    'Content-Length: -1',
    'Content-Length: +8',
    'Content-Length:',
    'Content-Length: 0x8',
    'Content-Length: 8 8',
    'Content-Length: 18446744073709551617',
    'Content-Length: 000000000000000000008',
  ),
  fc.constantFrom(
    'Expect: 100-continue',
    'Expect: 100-Continue',
    'Expect: x',
    'Upgrade: websocket',
    'Upgrade: h2c',
    'HTTP2-Settings: AA',
    'Proxy-Connection: close',
  ),
  fc.constantFrom(
    ' folded',
    '\tfolded',
    ': none',
    'none',
    'X-A : 1',
    'X-A:',
    'X-A: 1',
    'X-a: 2',
    '__proto__: 1',
    'constructor: 1',
    'Cookie: a',
    'Cookie: b',
    'Host: other',
    'Host:',
  ),
  fc.tuple(oddByte, fc.boolean()).map(([byte, inName]) => (inName ? `X${byte}: 1` : `X-Odd: a${byte}b`)),
)

const bodies = [
  '',
  '{"id":1}',
  '{"id":1}',
  '{"id":"\u00e9"}',
  'x',
  '3\r\nabc\r\n0\r\n\r\n',
  '8\r\n{"id":1}\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '1\nx\n0\n\n',
  'ffffffffffffffffff\r\n',
  '\r\n\r\n',
]

/** Mostly a request, its length mostly the body's. */
const odd = fc
  .record({
    method,
    target,
    version,
    lineEnds: fc.array(lineEnd, { minLength: 9, maxLength: 9 }),
    headers: fc.array(header, { maxLength: 4 }),
    body: fc.constantFrom(...bodies),
    hasLength: fc.oneof(usual(true, 4), fc.constant(false)),
    hasHost: fc.oneof(usual(true, 9), fc.constant(false)),
  })
  .map(({ method, target, version, lineEnds, headers, body, hasLength, hasHost }) => {
    const lines = [
      `${method} ${target} ${version}`.trimEnd(),
      ...(hasHost ? ['Host: localhost', json] : []),
      ...headers,
      ...(hasLength ? [`Content-Length: ${Buffer.byteLength(body)}`] : []),
      '',
    ]
    return lines.map((line, i) => `${line}${lineEnds[i] ?? '\r\n'}`).join('') + body
  })

const plain = fc.oneof(
  fc.string({ maxLength: 5 }).map((id) => look({ id })),
  fc.constantFrom(
    look({ decline: true, id: 'declined' }),
    post('/body', 'y'.repeat(3_000)),
    post('/early', 'z'.repeat(200)),
  ),
  fc.constantFrom(
    'GET /other HTTP/1.1\r\nHost: h\r\n\r\n',
    'GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  ),
)
const noise = fc.constantFrom(
  '\r\n',
  '\n',
  '\0',
  'GET',
  'POST /look HTTP/1.1\r\nHost: h\r\nContent-Length: 9',
  '\x16\x03\x01',
)

export const conversation = fc.record({
  texts: fc.array(fc.oneof({ weight: 3, arbitrary: plain }, { weight: 4, arbitrary: odd }, noise), {
    minLength: 1,
    maxLength: 5,
  }),
  places: fc.array(fc.nat(4_000), { maxLength: 6 }),
  isByteWise: fc.oneof(usual(false, 15), fc.constant(true)),
  /** Whether the last that is sent asks for the end, before the client closes its side. */
  endsByRequest: fc.boolean(),
})
