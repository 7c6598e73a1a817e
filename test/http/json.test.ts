// JSON as clients send it: read as JSON.parse reads it but for large integers, and in bounded time whatever it holds.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonLimits, parseJson } from '../../src/http/server/json.ts'

/** What is right by definition, however slow. */
function slowly(text: string): unknown {
  return JSON.parse(text, (_key, value, context?: { source?: string }) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
    return context?.source !== undefined && /^-?\d+$/.test(context.source) ? context.source : value
  })
}

function outcomeOf(parse: () => unknown): unknown {
  try {
    return { value: parse() }
  } catch (error) {
    return { failed: (error as Error).message.replace('The body is not valid JSON: ', '') }
  }
}

const digits = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String)
const token = fc.oneof(
  { weight: 3, arbitrary: digits },
  { weight: 2, arbitrary: fc.constantFrom('9007199254740991', '9007199254740992', '-9007199254740993') },
  fc.constantFrom('0', '-0', '00000000000000000001', '1.00000000000000000001', '1e00000000000000001', '--1'),
  fc.constantFrom('12345678901234567e2', '12345678901234567E-2', '12345678901234567.5', '-12345678901234567'),
  fc.constantFrom(
    'true',
    'null',
    '""',
    '"\\""',
    '"\\\\"',
    '"12345678901234567"',
    '"a\\\\\\"12345678901234567"',
  ),
  fc.string({ maxLength: 6 }).map((text) => JSON.stringify(text)),
)
const space = fc.constantFrom('', '', '', ' ', '\n', '\t ', '\r', '\u00a0')
const spaced = (text: fc.Arbitrary<string>) => fc.tuple(space, text, space).map((parts) => parts.join(''))
const json = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { weight: 3, arbitrary: spaced(token) },
    spaced(fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join()}]`)),
    spaced(
      fc
        .array(
          fc.tuple(
            spaced(
              fc.oneof(
                { weight: 5, arbitrary: fc.string({ maxLength: 3 }).map((name) => JSON.stringify(name)) },
                token,
              ),
            ),
            tie('value'),
          ),
          { maxLength: 3 },
        )
        .map((fields) => `{${fields.map(([name, value]) => `${name}:${value}`).join()}}`),
    ),
  ),
})).value
const damaged = fc
  .tuple(json, fc.nat(60), fc.constantFrom('', '"', '\\', '-', ',', ':', '12345678901234567', ']', '}'))
  .map(([text, at, put]) => text.slice(0, at) + put + text.slice(at + 1))

test('what is read, and what is said of what is no JSON, is as JSON.parse has it', () => {
  let quoted = 0
  fc.assert(
    fc.property(fc.oneof(json, damaged), fc.nat(20), (text, isLong) => {
      const expected = outcomeOf(() => slowly(text))
      if (JSON.stringify(expected) !== JSON.stringify(outcomeOf(() => JSON.parse(text)))) quoted++
      expect(outcomeOf(() => parseJson(text))).toEqual(expected)
      if (isLong > 0) return
      // The same in a text that is looked through whatever it holds.
      const padding = ' '.repeat(200_000)
      expect(outcomeOf(() => parseJson(text + padding))).toEqual(outcomeOf(() => slowly(text + padding)))
    }),
    { numRuns: 2_000 },
  )
  expect(quoted).toBeGreaterThan(100)
}, 120_000)

const maxBytes = 32 * 1024 * 1024
const big = '9007199254740993'
const filled = (item: string) => `[${item.repeat(Math.floor((maxBytes - 20) / item.length))}${big}]`
const numbered = (count: number, item: (i: number) => string) =>
  `[${Array.from({ length: count }, (_, i) => item(i)).join()}]`

describe('none of the largest bodies takes long:', () => {
  test.each([
    ['zeros', () => filled('0,')],
    ['integers beyond 2^53', () => filled(`${big},`)],
    ['integers that are nearly so long', () => filled('999999999999999,')],
    ['one integer', () => '9'.repeat(maxBytes)],
    ['blanks after integers', () => filled(`${big}${' '.repeat(1_000)},`)],
    ['one text', () => `["${'x'.repeat(maxBytes)}",${big}]`],
    ['escapes', () => `["${'\\"'.repeat(maxBytes / 2)}",${big}]`],
    ['a text without an end', () => `["${'\\"'.repeat(maxBytes / 2)}${big}`],
    ['empty texts', () => filled('"",')],
    ['empty objects', () => filled('{},')],
    ['lists in lists', () => filled('[[]],')],
    ['nesting', () => '['.repeat(maxBytes / 2) + ']'.repeat(maxBytes / 2)],
    ['as many objects as may be', () => numbered(jsonLimits.containers - 1, () => '{"a":1}')],
    ['objects with a name each', () => numbered(jsonLimits.containers - 1, (i) => `{"k${i}":0}`)],
    ['as many names as may be', () => numbered(jsonLimits.shapes - 1_000, (i) => `{"k${i}":0}`)],
    ['one object of many names', () => `{${numbered(2_000_000, (i) => `"k${i}":0`).slice(1, -1)}}`],
    [
      'names in every order',
      () => numbered(200_000, (i) => `{${[3, 5, 7, 11, 13].map((n) => `"k${(i * n) % 997}":1`)}}`),
    ],
    [
      'rows',
      () =>
        numbered(
          100_000,
          (i) => `{"user_id":"u${i}","n":${big},"name":"Ada","created":"2026-01-01T00:00:00Z"}`,
        ),
    ],
  ])('%s', (_name, make) => {
    const text = make()
    const startedAt = process.cpuUsage()
    const outcome = outcomeOf(() => parseJson(text)) as { failed?: string }
    const { user, system } = process.cpuUsage(startedAt)
    expect((user + system) / 1e6).toBeLessThan(3)
    if (outcome.failed)
      expect(outcome.failed).toMatch(/^The JSON holds more than|in JSON at position|is not valid JSON/)
  })

  test('a hundred thousand rows pass, some of their fields left out', () => {
    const columns = Array.from({ length: 12 }, (_, i) => `column_${i}`)
    const text = numbered(
      100_000,
      (i) =>
        `{${columns.flatMap((name, c) => ((i * 7919 + c * 104_729) % 3 === 0 ? [] : [`"${name}":${i}`]))}}`,
    )
    expect((parseJson(text) as unknown[]).length).toBe(100_000)
  })
})
