// Entity keys of one column and of several: their canonical texts, and what clients write for them.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Column } from '../../src/values/columns.ts'
import { createKeyType, type KeyType, keyText, parseKeyText } from '../../src/values/entity-key.ts'

const text: Column = { name: 's', type: 'STRING', nullable: true, storage: 'VARCHAR', native: 'VARCHAR' }
const number: Column = { name: 'n', type: 'INT64', nullable: true, storage: 'BIGINT' }
const decimal: Column = { name: 'd', type: 'DECIMAL', nullable: true, storage: 'DECIMAL(18,3)' }

const ofText = createKeyType([text])
const ofTwo = createKeyType([number, text])
const ofThree = createKeyType([text, decimal, text])

const anyText = fc.oneof(
  fc.constantFrom('', '3', '23', ',', '"', '","', '\\', '["23"]', 'null', ' '),
  fc.string({ unit: 'grapheme' }),
)

test('a tuple of one has just the text of its value', () => {
  fc.assert(
    fc.property(anyText, (value) => {
      expect(ofText.parse(value)).toEqual({ columns: [text], values: [value], text: value })
      expect([ofText.isCanonical(value), ofText.textOfRow([1, value], [1])]).toEqual([true, value])
    }),
  )
  expect([ofText.text, ofText.label]).toEqual(['s', 's'])
})

test('tuples have equal texts where they are equal, and only there, and a text gives its tuple', () => {
  const tuple = fc.tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), anyText)
  fc.assert(
    fc.property(tuple, tuple, (a, b) => {
      const [left, right] = [a, b].map(([n, s]) => ofTwo.ofCells([n, s]))
      expect(left?.text === right?.text).toBe(a[0] === b[0] && a[1] === b[1])
      expect(ofTwo.parse(left?.text ?? '')).toEqual(left)
      expect(ofTwo.textOfRow([a[1], a[0]], [1, 0])).toBe(left?.text)
      expect(ofTwo.parse(JSON.stringify([String(a[0]), a[1]]))).toEqual(left)
    }),
    { numRuns: 500 },
  )
  expect(ofTwo.parse('[1,"23"]').text).not.toBe(ofTwo.parse('[12,"3"]').text)
})

test.each([
  [ofTwo, '[9007199254740993, "a"]', [9007199254740993n, 'a']],
  [ofTwo, ' [ "+007" , 12.50 ] ', [7, '12.50']],
  [ofTwo, '["1", true]', [1, 'true']],
  [ofThree, '["a", "012.50", "b"]', ['a', 12.5, 'b']],
] as const)('%o reads %s as %o: numbers and booleans as they are written', (key, given, values) => {
  expect(key.parse(given).values).toEqual(values)
})

test.each([
  [ofTwo, '1,a'],
  [ofTwo, '1'],
  [ofTwo, '[1]'],
  [ofTwo, '[1,"a","b"]'],
  [ofTwo, '[1,null]'],
  [ofTwo, '[1,["a"]]'],
  [ofTwo, '{"n":1,"s":"a"}'],
  [ofTwo, '[1,"a"'],
])('%o refuses %s, and says what it must be', (key: KeyType, given) => {
  expect(() => key.parse(given)).toThrow(
    expect.objectContaining({
      code: 'BAD_USER_INPUT',
      message: expect.stringMatching(/n, s: it must be a JSON array .*\["<n>","<s>"\]/),
    }),
  )
})

test('of a value that is none of its column’s, the refusal names the column', () => {
  expect(() => ofTwo.parse('["x","a"]')).toThrow(/key n of type INT64: it must be an integer/)
})

test('a row with a null in any column has no key', () => {
  expect([ofTwo.ofCells([null, 'a']), ofTwo.ofCells([1, null]), ofTwo.ofCells([1])]).toEqual([
    null,
    null,
    null,
  ])
  expect([ofTwo.textOfRow([1, null], [0, 1]), ofText.textOfRow([null], [0])]).toEqual([null, null])
  expect(ofTwo.ofCells([{ a: 1 }, 'a'])).toBeUndefined()
})

test('names are written as they are, several of them as a JSON array', () => {
  expect([ofTwo.names, ofTwo.text, ofTwo.label]).toEqual([['n', 's'], '["n","s"]', 'n, s'])
  fc.assert(
    fc.property(fc.array(anyText, { minLength: 2, maxLength: 4 }), (names) => {
      expect(parseKeyText(keyText(names))).toEqual(names)
    }),
  )
})
