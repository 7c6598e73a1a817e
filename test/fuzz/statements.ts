// Random SQL by a small grammar, and scripts made of pieces that try something, both also damaged.

import fc from 'fast-check'

/** Cuts a piece out, doubles it, or puts another in its place. */
export function damaged(text: fc.Arbitrary<string>, pieces: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.nat(), fc.nat(20), fc.constantFrom('', 'double', ...pieces))
    .map(([whole, at, length, instead]) => {
      const start = at % (whole.length + 1)
      const piece = whole.slice(start, start + length)
      return (
        whole.slice(0, start) + (instead === 'double' ? piece + piece : instead) + whole.slice(start + length)
      )
    })
}

const columns = ['user_id', 'quote_id', 'is_paid', 'creation_date', 'n', '*', '"n"', 't.n', 'count(*)']
const tables = [
  'feature_store.users',
  'feature_store.quotes t',
  'range(5) t(n)',
  'input',
  'gateway.ledger',
  'duckdb_tables',
  '"duc\u212adb_views"',
  "'SECRET'",
  "read_csv('SECRET')",
  "read_text('SECRET')",
  "glob('/*')",
  'information_schema.tables',
  '(VALUES (1), (NULL)) t(n)',
]
const functions = [
  'abs',
  'lower',
  'md5',
  'len',
  'getenv',
  'current_setting',
  'list_value',
  'range',
  'repeat',
  'hash',
  'to_json',
  'struct_pack',
  'unnest',
  'json_serialize_sql',
  'query',
  'version',
  'printf',
  'regexp_replace',
  'max',
  'list',
  'error',
  'row_number() OVER',
  'try_cast',
  'typeof',
  'map',
  'array_agg',
  'string_agg',
  'levenshtein',
  'encode',
  'unhex',
]
const literals = [
  '1',
  '-1',
  'NULL',
  "'a'",
  "'ATTACK_MARKER'",
  '1e308',
  '9223372036854775807',
  '170141183460469231731687303715884105727',
  'true',
  "DATE '9999-12-31'",
  "TIMESTAMP 'infinity'",
  "'\\x00'::BLOB",
  '[1, NULL]',
  '{a: 1}',
  "MAP {'a': 1}",
  "INTERVAL '1 year'",
  "'nan'::DOUBLE",
  '0.1::DECIMAL(38,37)',
  "'[1'::JSON",
  "'{}'::JSON",
  '?',
  '$1',
  "repeat('x', 10000)",
]

const { expression, select } = fc.letrec<{ expression: string; select: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'sql' },
    fc.constantFrom(...columns),
    fc.constantFrom(...literals),
    fc
      .tuple(fc.constantFrom(...functions), fc.array(tie('expression'), { maxLength: 3 }))
      .map(([name, args]) => `${name}(${args.join(', ')})`),
    fc
      .tuple(
        tie('expression'),
        fc.constantFrom('+', '||', '=', '<', 'AND', '->', 'IS DISTINCT FROM', 'LIKE', 'IN', '::INT, '),
        tie('expression'),
      )
      .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    tie('expression').map((inner) => `CASE WHEN ${inner} THEN 1 ELSE NULL END`),
    tie('select').map((inner) => `(${inner})`),
  ),
  select: fc
    .record({
      wanted: fc.array(
        fc.tuple(tie('expression'), fc.constantFrom('a', 'b', '"A"', 'n', '__proto__', '"é\u0301"')),
        { minLength: 1, maxLength: 4 },
      ),
      from: fc.option(
        fc.oneof(
          fc.constantFrom(...tables),
          tie('select').map((inner) => `(${inner}) s`),
        ),
      ),
      where: fc.option(tie('expression')),
      end: fc.constantFrom(
        '',
        '',
        '',
        ' GROUP BY ALL',
        ' ORDER BY 1',
        ' LIMIT 3',
        ' UNION ALL SELECT 1',
        ';',
        '; SELECT 2',
        ' -- x',
        ' FOR UPDATE',
      ),
      before: fc.constantFrom(
        '',
        '',
        '',
        'WITH w AS (SELECT 1 AS n) ',
        'WITH RECURSIVE w(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM w WHERE n < 9) ',
        'EXPLAIN ',
      ),
    })
    .map(
      ({ wanted, from, where, end, before }) =>
        `${before}SELECT ${wanted.map(([what, name]) => (what.endsWith('*') ? what : `${what} AS ${name}`)).join(', ')}${from === null ? '' : ` FROM ${from}`}${where === null ? '' : ` WHERE ${where}`}${end}`,
    ),
}))

export const statementText = fc.oneof(
  { weight: 3, arbitrary: select },
  damaged(select, ['(', ')', "'", '"', '/*', '$$', ';', '\0', 'SELECT', ',', '\u00a0']),
  expression.map((inner) => `SELECT ${inner} AS a`),
)

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
