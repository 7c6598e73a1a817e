// A wrapped script does what its module does, whatever stands around its exports.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wrapScript } from '../../src/etl/script/script.ts'

type Exports = { transform: () => unknown }

/** A module as the engine itself links and evaluates it. */
async function evaluate<T>(code: string): Promise<T> {
  return await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`)
}

async function outcomeOf(work: () => Promise<Exports>): Promise<string> {
  try {
    const { transform } = await work()
    return JSON.stringify(transform())
  } catch (error) {
    return error instanceof Error && error.name === 'ReferenceError' ? error.message : 'refused'
  }
}

const wrapped = async (source: string): Promise<Exports> => {
  const { code } = wrapScript({ language: 'JAVASCRIPT', source })
  return (await evaluate<{ default: () => Exports }>(code)).default()
}

const pieces = [
  'say(1)',
  'const a = say(2)',
  'let b = say(3), c',
  'var d = say(4)',
  'function f() { return 1 } ',
  'class K { static x = say(5) }',
  'if (say(6)) say(7)',
  'do say(8); while (0)',
  'label: { break label }',
  'const g = () => 1',
  'const o = { a: 1 }',
  'const t = say',
  '"use strict"',
  '/ say(9) / 1',
  '/ 1; return { transform: () => 9 } /',
  '(say(10))',
  '[say(11)].length',
  `\`\${say(12)}\``,
  '+say(13)',
  '++say.n;',
  '/say/g.test("say") && say(14)',
  '-1',
  '{ let z = say(15) }',
  '{}',
  ';',
  '} {',
  'export const x = say(16)',
  'export let [y, z] = [say(17), 18]',
  'export function h() {}',
  'export class L {}',
  'export var v = say(19)',
  'export { say as "spoken" }',
  'export { transform as other };',
  'export {}',
  'export { log }',
] as const

const gaps = [' ', '\n', ';', ';\n', '\r\n', '/* a */', '/* a\n b */', '// a\n', '\u2028', '\t', ''] as const

const script = fc
  .array(fc.tuple(fc.constantFrom(...pieces), fc.constantFrom(...gaps)), { minLength: 1, maxLength: 7 })
  .chain((parts) =>
    fc.nat(parts.length).map((at) => {
      const texts = parts.map(([piece, gap]) => piece + gap)
      texts.splice(at, 0, 'export function transform() { return [log, typeof this] }\n')
      return `var log; function say(n) { (log ??= []).push(n); return n }\n${texts.join('')}`
    }),
  )

describe('a wrapped script', () => {
  test('says what its module says, and is refused where that is', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(script, async (source) => {
        const module = await outcomeOf(() => evaluate<Exports>(source))
        expect(await outcomeOf(() => wrapped(source))).toBe(module)
      }),
      { numRuns: 3000 },
    )
  })
})
