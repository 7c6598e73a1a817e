// Random scripts of ETLs: made of pieces that try something, also damaged.

import fc from 'fast-check'
import { damaged } from './damaged.ts'

const attempts = [
  'row.constructor.constructor("return process")()',
  'globalThis',
  'Object.keys(row)',
  'row.n * 2',
  '"x".repeat(1e6)',
  'new Array(1e6).fill(1)',
  '(() => { for (;;); })()',
  'new Proxy({}, {})',
  'Symbol("a")',
  '10n ** 30n',
  '[[[[row]]]]',
  'new Date(0)',
  'NaN',
  'undefined',
  'null',
  '/^(a+)+$/.test("a".repeat(28) + "b")',
  'JSON.parse("{\\"__proto__\\": 1}")',
  '{ get a() { throw 1 } }',
  '(function f() { return f() })()',
  'new Uint8Array(10)',
  '"\\ud800"',
  'process.env',
  'import("fs")',
  'new Error().stack',
  'structuredClone',
  'Reflect.ownKeys(globalThis).join()',
  'String(globalThis.console)',
  'Intl',
]
const script = fc
  .tuple(
    fc.constantFrom('transform(row)', 'extract(rows)', 'transform([row])', 'transform({ n })'),
    fc.array(fc.constantFrom(...attempts), { minLength: 1, maxLength: 3 }),
  )
  .map(([head, values]) => {
    const first = head.startsWith('extract')
      ? 'const row = rows[0]; '
      : head.includes('{')
        ? 'const row = { n }; '
        : ''
    const fields = `{ ${values.map((value, i) => `v${i}: ${value}`).join(', ')} }`
    return `export function ${head.replace('[row]', 'row')} { ${first}return ${head.startsWith('extract') ? `[${fields}]` : fields} }`
  })

export const scriptText = fc.oneof(
  { weight: 2, arbitrary: script },
  damaged(script, ['}', '`', '${', '\0', 'await ', 'export ', '//', '\u2028']),
)
