// The scalars in both directions: nothing is rounded, nothing is guessed.

import { assertScalarType, type GraphQLScalarType, parseValue } from 'graphql'
import { expect, test } from 'vitest'
import { createSchema } from '../../src/schema/index.ts'
import { JsonText } from '../../src/schema/json-text.ts'
import type { Services } from '../../src/schema/services.ts'

const schema = createSchema({} as Services)
const scalar = (name: string): GraphQLScalarType => assertScalarType(schema.getType(name))

test.each([
  [1n, 1],
  [-9007199254740991n, -9007199254740991],
  [9007199254740992n, '9007199254740992'],
  [-9223372036854775808n, '-9223372036854775808'],
])('BigInt %s goes out as %s', (value, expected) => {
  expect(scalar('BigInt').coerceOutputValue(value)).toBe(expected)
})

test('BigInt comes in as a number or as its digits, and as nothing else', () => {
  expect(scalar('BigInt').coerceInputValue(7)).toBe(7n)
  expect(scalar('BigInt').coerceInputValue('9007199254740993')).toBe(9007199254740993n)
  for (const value of [1.5, 2 ** 53, '1e3', '', null, true]) {
    expect(() => scalar('BigInt').coerceInputValue(value)).toThrow('BigInt must be')
  }
})

test('DateTime is RFC 3339 in both directions', () => {
  const date = new Date('2026-01-31T12:00:00.250Z')
  expect(scalar('DateTime').coerceOutputValue(date)).toBe('2026-01-31T12:00:00.250Z')
  expect(scalar('DateTime').coerceInputValue('2026-01-31T13:00:00.250+01:00')).toEqual(date)
  for (const value of ['2026-01-31', '31.1.2026', '2026-13-01T00:00:00Z', 0, null]) {
    expect(() => scalar('DateTime').coerceInputValue(value)).toThrow('RFC 3339')
  }
})

test('JSON goes out as the text that the stores hold', () => {
  const text = '[{"name":"ü 😀","big":"9007199254740993","small":1e-7,"none":null,"__proto__":1}]'
  expect(JSON.stringify({ rows: scalar('JSON').coerceOutputValue(new JsonText(text)) })).toBe(
    `{"rows":${text}}`,
  )
})

test('JSON comes in by literal with its large integers as digits', () => {
  const literal = parseValue('{a: [1, 2.5, "x", true, null, 9007199254740993], b: {c: $v}}')
  expect(scalar('JSON').parseLiteral(literal, { v: 3 })).toEqual({
    a: [1, 2.5, 'x', true, null, '9007199254740993'],
    b: { c: 3 },
  })
})
