// Random SQL: by a small grammar, also damaged, and such as mostly runs.

import fc from 'fast-check'
import { damaged } from './damaged.ts'

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

const numbers = fc.constantFrom('n', '1', '-7', '1e18', 'n * n', '9223372036854775807', '0.5', 'NULL', 'm')
const texts = fc.constantFrom(
  's',
  "'a'",
  "''",
  "repeat('x', 1000)",
  "'\u{1f600}'",
  'lower(s)',
  'NULL',
  'chr(0)',
)
/** Of the right types, so that most of them run: what they make is of every type, and sometimes much. */
const likely = fc
  .tuple(
    fc.uniqueArray(
      fc.oneof(
        numbers,
        texts,
        fc
          .tuple(numbers, fc.constantFrom('+', '-', '*', '/', '%', '//'), numbers)
          .map((parts) => parts.join(' ')),
        fc
          .tuple(
            fc.constantFrom('list', 'sum', 'count', 'first', 'histogram', 'approx_count_distinct'),
            numbers,
          )
          .map(([name, of]) => `${name}(${of}) OVER (PARTITION BY s)`),
        fc
          .tuple(
            fc.constantFrom(
              'range(?)',
              'repeat(s, ?)',
              '[?, 1]',
              '{a: ?, b: s}',
              'MAP {s: ?}',
              '(?)::DECIMAL(18,3)',
              '(?)::HUGEINT',
              '(?)::VARCHAR::BLOB',
              '(?)::BIT',
              "DATE '2020-01-01' + (?)::INT",
              'make_timestamp((?)::BIGINT)',
              'TRY_CAST(? AS TINYINT)',
              'to_json({a: [?]})',
              'CASE WHEN n > 1 THEN ? END',
            ),
            numbers,
          )
          .map(([shape, of]) => shape.replace('?', of)),
        fc
          .tuple(
            fc.constantFrom(
              '?',
              "string_split(?, '')",
              "regexp_replace(?, '(a*)*b', 'c')",
              '(?)::JSON',
              'TRY_CAST(? AS TIMESTAMPTZ)',
              'md5(?)',
              'levenshtein(?, s)',
            ),
            texts,
          )
          .map(([shape, of]) => shape.replace('?', of)),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    fc.constantFrom('1', '1', ...Array<string>(8).fill('3'), '2000', '2000', '1000000', '100000000'),
    fc.constantFrom(
      '',
      '',
      ' WHERE n > 1',
      " WHERE s LIKE '%a'",
      ' ORDER BY n DESC NULLS LAST',
      ' LIMIT 2 OFFSET 1',
    ),
  )
  .map(
    ([wanted, rows, end]) =>
      `SELECT ${wanted.map((what, i) => `${what} AS c${i}`).join(', ')} FROM (SELECT range AS n, range % 2 AS m, 'a' || range AS s FROM range(${rows})) t${end}`,
  )

export const statementText = fc.oneof(
  { weight: 4, arbitrary: likely },
  { weight: 3, arbitrary: select },
  damaged(select, ['(', ')', "'", '"', '/*', '$$', ';', '\0', 'SELECT', ',', '\u00a0']),
  expression.map((inner) => `SELECT ${inner} AS a`),
)
