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
  '{ get v() { return 1 } }',
  'new (class extends Date { getTime() { return 1e300 } })(0)',
  'Object.setPrototypeOf([1, , 3], new Proxy([], {}))',
  '(globalThis.kept = row)',
  'Object.getOwnPropertyDescriptor(new Error(), "stack")',
  '((strings) => strings)`a`',
  '(1n << 30000000n) - 1n',
  '"9".repeat(2e7)',
  'Array.from({ length: 1e6 }, (_, i) => i)',
]
/** What may follow an export that stands alone: a text without it would go on from the statement before. */
const tails = [
  '',
  ';',
  '\n/ 1; return { transform: () => ({ v0: 1 }) } /',
  ';\n(row)',
  '\n`x`',
  '\n[0]',
  ';/x/g',
  '\nexport const columns = { v0: "JSON" }',
]
const script = fc
  .tuple(
    fc.constantFrom('transform(row)', 'extract(rows)', 'transform([row])', 'transform({ n })'),
    fc.array(fc.constantFrom(...attempts), { minLength: 1, maxLength: 3 }),
    fc.constantFrom('', '', ...tails),
  )
  .map(([head, values, after]) => {
    const first = head.startsWith('extract')
      ? 'const row = rows[0]; '
      : head.includes('{')
        ? 'const row = { n }; '
        : ''
    const fields = `{ ${values.map((value, i) => `v${i}: ${value}`).join(', ')} }`
    const text = `function ${head.replace('[row]', 'row')} { ${first}return ${head.startsWith('extract') ? `[${fields}]` : fields} }`
    const name = /\w+/.exec(head)?.[0]
    return after === '' ? `export ${text}` : `${text}\nexport { ${name} }${after}`
  })

export const scriptText = fc.oneof(
  { weight: 2, arbitrary: script },
  damaged(script, ['}', '`', '${', '\0', 'await ', 'export ', '//', '\u2028']),
)
