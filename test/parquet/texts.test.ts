// Calendar, decimals, JSON and SQL text: the corners.

import { expect, test } from 'vitest'
import { blankSemicolons, placeOf } from '../../src/sql/sql-text.ts'
import { formatDays, formatMicros, parseDays, parseMicros } from '../../src/values/calendar.ts'
import { formatTimestamp } from '../../src/values/columns.ts'
import { readDecimal, writeDecimal } from '../../src/values/decimal.ts'
import { formatJson, parseJson } from '../../src/values/json-text.ts'

test('days and microseconds survive as text over the engine’s whole range', () => {
  for (let days = -2_147_483_000; days < 2_147_483_000; days += 1_234_567)
    expect(parseDays(formatDays(days))).toBe(days)
  for (
    let micros = -9_223_372_036_854_775_000n;
    micros < 9_223_372_036_854_775_000n;
    micros += 12_345_678_901_234_567n
  ) {
    expect(parseMicros(formatMicros(micros))).toBe(micros)
  }
  for (let micros = -9_100_000_000_000_000n; micros < 9_100_000_000_000_000n; micros += 1_234_567_890_123n) {
    for (const moment of [micros, micros - (micros % 1000n), micros - (micros % 1_000_000n)]) {
      expect(formatMicros(moment)).toBe(formatTimestamp(moment))
    }
  }
  for (let days = -800_000; days < 3_000_000; days += 997) {
    const text = formatDays(days)
    if (/^\d{4}-/.test(text)) expect(text).toBe(new Date(days * 86_400_000).toISOString().slice(0, 10))
  }
})

test.for(['2026-02-30', '2026-13-01', '2026-1-1', '', 'now', '2026-01-01T00:00:00Z'])(
  '%s is no date',
  (text) => {
    expect(parseDays(text)).toBeNull()
  },
)

test.for([
  '2026-01-01',
  '2026-01-01T24:00:00Z',
  '2026-01-01T00:60:00Z',
  '2026-01-01T00:00:00',
  '2026-01-01T00:00:00+01:00',
  'infinityT00:00:00Z',
  '2026-01-01T00:00:00.1234567Z',
])('%s is no timestamp in UTC', (text) => {
  expect(parseMicros(text)).toBeNull()
})

test('decimals are numbers up to fifteen digits and exact text beyond', () => {
  expect(readDecimal(1230n, 2)).toBe(12.3)
  expect(readDecimal(-1n, 2)).toBe(-0.01)
  expect(readDecimal(999_999_999_999_999n, 3)).toBe(999999999999.999)
  expect(readDecimal(1_234_567_890_123_456n, 2)).toBe('12345678901234.56')
  expect(readDecimal(-5n * 10n ** 30n, 30)).toBe(-5)
  expect(readDecimal(10n ** 20n, 0)).toBe('100000000000000000000')
})

test('a decimal is written back exactly, or refused', () => {
  expect(writeDecimal('12.3', 4, 2)).toBe(1230n)
  expect(writeDecimal('-0.01', 4, 2)).toBe(-1n)
  expect(writeDecimal('1e3', 9, 2)).toBe(100_000n)
  expect(writeDecimal('1.5e-1', 9, 2)).toBe(15n)
  expect(writeDecimal('1.500', 9, 1)).toBe(15n)
  expect(writeDecimal('0.001', 9, 2)).toBeNull()
  expect(writeDecimal('100', 4, 2)).toBeNull()
  for (const text of ['', '.', 'x', '1,5', 'NaN', 'Infinity', '0x10', '1e99999'])
    expect(writeDecimal(text, 9, 2)).toBeNull()
})

test('JSON keeps integers that a number cannot hold, and only those, as bigints', () => {
  const text = '{"a":9007199254740993,"b":[-9007199254740993,1,1.5,"9007199254740993"],"c":null}'
  const value = parseJson(text)
  expect(value).toEqual({
    a: 9007199254740993n,
    b: [-9007199254740993n, 1, 1.5, '9007199254740993'],
    c: null,
  })
  expect(formatJson(value)).toBe(text)
})

test('only semicolons that end statements are blanked', () => {
  for (const kept of [
    "';'",
    '";"',
    '$$;$$',
    '$a$;$$;$a$',
    '/* ; */',
    '-- ;\n',
    "E'\\';'",
    "e'a'';\\''",
    "'it''s;'",
  ]) {
    expect(blankSemicolons(`a ${kept};b`)).toBe(`a ${kept} b`)
  }
})

test('a place is counted in lines and characters', () => {
  expect(placeOf('é🦆x\nab', Buffer.byteLength('é🦆'))).toEqual({ line: 1, column: 3 })
  expect(placeOf('é🦆x\nab', Buffer.byteLength('é🦆x\na'))).toEqual({ line: 2, column: 2 })
})
