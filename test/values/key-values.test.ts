// Values of key columns as clients write them.

import { expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import type { Column, ColumnType } from '../../src/values/columns.ts'
import { columnTypes } from '../../src/values/columns.ts'
import { canonicalText, keyValueOfCell, parseIndexValue } from '../../src/values/key-values.ts'

function column(type: ColumnType, storage: string = type): Column {
  return { name: 'k', type, nullable: true, storage }
}

const int64 = column('INT64', 'BIGINT')
const decimal = column('DECIMAL', 'DECIMAL(18,3)')

test.each([
  [column('STRING', 'VARCHAR'), '0012', '0012', '0012'],
  [column('STRING', 'VARCHAR'), '', '', ''],
  [column('STRING', 'VARCHAR'), "' OR 1=1 --", "' OR 1=1 --", "' OR 1=1 --"],
  [column('STRING', 'VARCHAR'), '🦆', '🦆', '🦆'],
  [column('INT32', 'INTEGER'), '0012', 12, '12'],
  [column('INT32', 'TINYINT'), '-128', -128, '-128'],
  [int64, '+9007199254740993', 9007199254740993n, '9007199254740993'],
  [int64, '-9223372036854775808', -9223372036854775808n, '-9223372036854775808'],
  [int64, '-0', 0, '0'],
  [column('FLOAT64', 'DOUBLE'), '1e3', 1000, '1000'],
  [column('FLOAT64', 'DOUBLE'), '-0.0', 0, '0'],
  [column('FLOAT64', 'DOUBLE'), 'NaN', Number.NaN, 'NaN'],
  [column('FLOAT64', 'DOUBLE'), '-infinity', Number.NEGATIVE_INFINITY, '-Infinity'],
  [column('FLOAT64', 'FLOAT'), '0.1', Math.fround(0.1), String(Math.fround(0.1))],
  [decimal, '012.50', 12.5, '12.5'],
  [decimal, '-0.000', 0, '0'],
  [column('DECIMAL', 'DECIMAL(38,2)'), '1234567890123456.70', '1234567890123456.70', '1234567890123456.7'],
  [
    column('DECIMAL', 'DECIMAL(20,0)'),
    '18446744073709551615',
    '18446744073709551615',
    '18446744073709551615',
  ],
  [column('BOOLEAN'), 'TRUE', true, 'true'],
  [column('DATE'), '2024-02-29', '2024-02-29', '2024-02-29'],
  [
    column('TIMESTAMP'),
    '2026-01-02T03:04:05.123456Z',
    '2026-01-02T03:04:05.123456Z',
    '2026-01-02T03:04:05.123456Z',
  ],
  [
    column('TIMESTAMP'),
    '2026-01-02 05:04:05.1234560+02:00',
    '2026-01-02T03:04:05.123456Z',
    '2026-01-02T03:04:05.123456Z',
  ],
  [column('TIMESTAMP'), '1969-12-31T23:59:59.5', '1969-12-31T23:59:59.500Z', '1969-12-31T23:59:59.500Z'],
  [column('TIMESTAMP'), 'infinity', 'infinity', 'infinity'],
] as const)('%o reads %j as %s, kept under %j', (key, text, value, canonical) => {
  const parsed = parseIndexValue(key, text)
  expect(parsed).toEqual(value)
  expect(canonicalText(key, parsed)).toBe(canonical)
  expect(parseIndexValue(key, canonicalText(key, parsed))).toEqual(parsed)
  expect(keyValueOfCell(key, parsed)).toEqual(parsed)
})

test.each([
  [column('INT32', 'INTEGER'), '2147483648'],
  [column('INT32', 'TINYINT'), '128'],
  [int64, '9223372036854775808'],
  [int64, '1.0'],
  [int64, ' 1'],
  [int64, ''],
  [int64, '1_000'],
  [column('FLOAT64', 'DOUBLE'), '1e999'],
  [column('FLOAT64', 'DOUBLE'), 'one'],
  [column('FLOAT64', 'DOUBLE'), '0x10'],
  [decimal, '1.2345'],
  [decimal, '1234567890123456'],
  [column('BOOLEAN'), '1'],
  [column('DATE'), '2023-02-29'],
  [column('DATE'), '2023-2-9'],
  [column('TIMESTAMP'), '2026-01-02T24:00:00Z'],
  [column('TIMESTAMP'), '2026-01-02T03:04:05.1234567Z'],
  [column('TIMESTAMP'), '2026-01-02'],
  [column('STRING', 'VARCHAR'), '\ud800'],
] as const)('%o refuses %j as BAD_USER_INPUT that says what would be right', (key, text) => {
  expect(() => parseIndexValue(key, text)).toThrow(
    expect.objectContaining({ code: 'BAD_USER_INPUT', message: expect.stringMatching(/\bk\b.*must be/) }),
  )
})

test('lists, structs, JSON and bytes cannot be keys', () => {
  const refused = columnTypes.filter((type) => {
    try {
      parseIndexValue(column(type), 'x')
      return false
    } catch (error) {
      return error instanceof AppError && error.message.includes('cannot be an index key')
    }
  })
  expect(refused).toEqual(['BYTES', 'LIST', 'STRUCT', 'JSON'])
})

test('a decimal of many digits is kept under one text whatever form the cell has', () => {
  const wide = column('DECIMAL', 'DECIMAL(38,10)')
  const text = '12345678901234567890.1230000000'
  expect(canonicalText(wide, parseIndexValue(wide, text))).toBe('12345678901234567890.123')
  expect(canonicalText(wide, text)).toBe('12345678901234567890.123')
  expect(canonicalText(wide, 1e-7)).toBe('0.0000001')
  expect(canonicalText(wide, 1.5e21)).toBe('1500000000000000000000')
})
