// The JSON of cells: nothing rounded, and the same text after a client has parsed and written it again.

import { expect, test } from 'vitest'
import { type Column, encodeFrame, encodeValue, formatTimestamp, type Value } from '../src/values/columns.ts'

const encodings: [Value, string][] = [
  [null, 'null'],
  [true, 'true'],
  [12.5, '12.5'],
  [-0, '0'],
  [1e21, '1e+21'],
  [Number.NaN, 'null'],
  [Number.NEGATIVE_INFINITY, 'null'],
  [9007199254740993n, '"9007199254740993"'],
  ['a"\n🦆\ud800', '"a\\"\\n🦆\\ud800"'],
  [new Uint8Array([0, 255]), '"AP8="'],
  [[1, [null, 2n]], '[1,[null,"2"]]'],
  [{ b: 1, a: { 'x"': [] } }, '{"b":1,"a":{"x\\"":[]}}'],
]

test.for(encodings)('%s is written as %s and stays so when parsed and written again', ([value, text]) => {
  expect(encodeValue(value)).toBe(text)
  expect(JSON.stringify(JSON.parse(text))).toBe(text)
})

test('a frame is an array of objects in the order of its columns, even where names look like indexes', () => {
  const column = (name: string): Column => ({ name, type: 'INT32', nullable: true, storage: 'INTEGER' })
  const frame = { columns: [column('b'), column('1'), column('"')], rows: [[1, 2, null]] }
  expect(encodeFrame(frame)).toBe('[{"b":1,"1":2,"\\"":null}]')
  expect(encodeFrame({ columns: frame.columns, rows: [] })).toBe('[]')
})

test.for<[bigint, string]>([
  [0n, '1970-01-01T00:00:00Z'],
  [1_500_000n, '1970-01-01T00:00:01.500Z'],
  [-1n, '1969-12-31T23:59:59.999999Z'],
  [-1_000_000n, '1969-12-31T23:59:59Z'],
  [1_767_322_805_123_456n, '2026-01-02T03:00:05.123456Z'],
])('%s microseconds are %s', ([micros, text]) => {
  expect(formatTimestamp(micros)).toBe(text)
})
