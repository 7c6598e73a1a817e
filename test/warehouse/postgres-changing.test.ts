// What of a statement changes from run to run on a PostgreSQL server, in whichever way the clock's words are written.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { blankSemicolons, writtenTexts } from '../../src/warehouse/postgres/text.ts'
import { createRandom, type Random } from './generated-statements.ts'
import { type PostgresWarehouse, startPostgresWarehouse } from './open-postgres.ts'

let postgres: PostgresWarehouse
let warehouse: Warehouse

beforeAll(async () => {
  postgres = await startPostgresWarehouse()
  warehouse = postgres.warehouse
  await postgres.execute(`CREATE TABLE words (k int, word text, list text[], body jsonb, mood text, day date, n int);
     INSERT INTO words VALUES (1, 'now', '{now}', '{"t": "now"}', 'now', '2026-01-01', 5);
     CREATE DOMAIN moment AS timestamptz; CREATE DOMAIN later AS moment;
     CREATE TYPE span AS (label text, at moment); CREATE TYPE mood AS ENUM ('now', 'then');
     CREATE TYPE feeling AS (mood mood, at timestamp);
     CREATE FUNCTION since(k int, at timestamptz DEFAULT now()) RETURNS interval LANGUAGE sql IMMUTABLE AS 'SELECT at - ''2020-01-01''::timestamptz';
     CREATE FUNCTION noted(k int, word text DEFAULT 'now') RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT word';
     CREATE AGGREGATE latest(timestamptz) (SFUNC = timestamptz_larger, STYPE = timestamptz, INITCOND = 'now');
     CREATE VIEW spoken AS SELECT k, word::timestamptz AS t FROM words;
     CREATE VIEW frozen AS SELECT k, 'now'::timestamptz AS t FROM words`)
})

afterAll(() => postgres?.stop())

const changeOf = async (sql: string) => (await warehouse.describe(sql, { key: ['k'] })).changing

test.each([
  ["'no'\n'w'::timestamptz", "'now'"],
  ["'no' -- a remark; with 'quotes'\n  -- and another\n'w'::timestamptz", "'now'"],
  ["E'\\x6eow'::timestamptz", "'now'"],
  ["e'n\\157w'::timestamptz", "'now'"],
  ["E'\\U0000006eow'::timestamptz", "'now'"],
  ["E'no'\n'\\x77'::timestamptz", "'now'"],
  ["U&'\\006eow'::timestamptz", "'now'"],
  ["U&'!006eow' UESCAPE '!'::timestamptz", "'now'"],
  ["u&'no'\n'\\+000077' uescape '\\'::timestamptz", "'now'"],
  ['$a$now$a$::timestamptz', "'now'"],
  ['$$ToDay 12:00$$::timestamptz', "'today'"],
  ["'today12:00'::timestamp", "'today'"],
  ["'tomorrow'::date", "'tomorrow'"],
  ["date 'yesterday'", "'yesterday'"],
  ["cast('now' AS time)", "'now'"],
  ["timestamptz('now')", "'now'"],
  ["('{now}'::timestamptz[])[1]", "'now'"],
  ["'[now,)'::tstzrange", "'now'"],
  ["'{[2020-01-01,today]}'::datemultirange", "'today'"],
  ["('(a,now)'::span).at", "'now'"],
  ["('(now,now)'::feeling).at", "'now'"],
  ["'now'::later", "'now'"],
  ["'{now}'::moment[]", "'now'"],
  ["coalesce(day, 'today')", "'today'"],
  ["CASE WHEN k > 1 THEN day ELSE 'today' END", "'today'"],
  ["day IN ('2020-01-01', 'today')", "'today'"],
  ["(SELECT max(d) FROM (SELECT day UNION ALL SELECT 'today') t(d))", "'today'"],
  ["(SELECT max(d) FROM (VALUES (day), ('today')) t(d))", "'today'"],
  ["'now' || ' it is' || 'now'::timestamptz", "'now'"],
  ["'now'::mood::text || 'now'::timestamptz", "'now'"],
  ["make_interval(days => day - 'today')", "'today'"],
  ["age('now', day::timestamptz)", "'now'"],
  ['age(day)', 'age() of one argument'],
  ["'12:00 MSK'::timetz", /a constant of time with time zone/],
  ["timezone('America/New_York', '12:00+02'::timetz)", 'the zone of a time without date'],
  ['word::timestamptz', /a text that is read as timestamp with time zone/],
  ['word::later', /a text that is read as timestamp/],
  ['list::date[]', /a text that is read as date/],
  ["('{' || word || '}')::timestamp[]", /read as timestamp without time zone\[\]/],
  ["('no' || 'w')::timestamptz", /a text that is read/],
  ["('[' || word || ',)')::tsrange", /a text that is read as tsrange/],
  ["'now'::text::timestamptz", /a text that is read/],
  ["n'now'::timestamptz", /a text that is read/],
  ["('now'::mood::text)::timestamptz", /a text that is read/],
  ["(body ->> 't')::timestamptz", /a text that is read/],
  ['(jsonb_populate_record(NULL::span, \'{"at": "now"}\')).at', /a text that is read as span/],
  ['(SELECT t FROM jsonb_to_record(body) AS r(t timestamptz))', /a text that is read/],
  [
    '(SELECT t FROM json_to_recordset(\'[{"t": "now"}]\') AS r(t timestamptz, o text))',
    /a text that is read/,
  ],
  [
    "(SELECT t FROM xmltable('/a' PASSING '<a><t>now</t></a>' COLUMNS t timestamptz) x)",
    /a text that is read/,
  ],
  ["timestamptz_in('now', 0, -1)", 'timestamptz_in()'],
  ['date_in(word::cstring)', 'date_in()'],
  ["array_in('{now}', 1184, -1)::text", 'array_in()'],
  ['since(k)', 'now()'],
  ['(SELECT latest(day) FROM words)', 'latest()'],
  ['(SELECT t FROM spoken LIMIT 1)', /a text that is read/],
  ["(WITH w AS (SELECT 'now' AS t) SELECT t::timestamptz FROM w)", /a text that is read/],
])('named as changing: %s', async (expression, named) => {
  expect(await changeOf(`SELECT k, ${expression} AS v FROM words`)).toMatch(named)
})

test.each([
  "'2026-01-01'::date",
  "DATE '2026-01-01' + INTERVAL '1 day'",
  "day > '2026-01-01' AND day < '2027-01-01'",
  "('{2026-01-01,2027-01-01}'::date[])[1]",
  "'[2026-01-01,)'::tstzrange @> day::timestamptz",
  "'infinity'::timestamptz",
  "'(a,2026-01-01)'::span",
  "'(now,2026-01-01)'::feeling",
  "word = 'now'",
  "word || 'it is now ' || '2026-01-01'::date",
  "word ~ 'today' OR word ILIKE '%Yesterday%'",
  "'now'::mood",
  'body = \'{"t": "now"}\'',
  "list = '{now,today}'",
  "E'\\''\n';now\\''",
  "word AS a$b$, 'now'",
  "E'it''s now' AS today, day",
  "to_timestamp(word, 'YYYY-MM-DD')",
  "to_date(body ->> 't', 'YYYY-MM-DD')",
  'to_timestamp(n)',
  "'2026-01-01'::text::date",
  "(2026 || '-' || lpad(n::text, 2, '0') || '-01')::date",
  "concat(n, '-', 1, '-', k)::date",
  "to_char(day, 'YYYY-MM-01')::date",
  "left(day::text, 7) || '-now'",
  "(SELECT at::date FROM (SELECT '2026-01-01' AS at) t)",
  "(WITH w AS (SELECT '2026-01-01' AS at) SELECT max(at::date) FROM w)",
  "(SELECT max(at::date) FROM (VALUES ('2026-01-01'), ('2026-02-01')) v(at))",
  'make_date(2026, n, 1)',
  'noted(k)',
  '(SELECT t FROM frozen LIMIT 1)',
  "$a$;now'$a$ = word",
])('nothing of it changes: %s', async (expression) => {
  expect(await changeOf(`SELECT k, ${expression} AS v FROM words`)).toBeNull()
})

/** One text in one of the ways that SQL has for it, with what may mislead a reader around it. */
function writeText(random: Random): string {
  const one = (items: readonly string[]) => items[random(items.length)] ?? ''
  const many = (items: readonly string[]) => Array.from({ length: 1 + random(5) }, () => one(items)).join('')
  const plain = ['now', 'to', 'day', ' ', ';', "''", '"', '--', '/*', '*/', '$$', '$a$', 'é', '😀', '\n']
  const gap = one(['\n', ' \t\n ', " -- it's\n", '\n-- $a$\n\n', '\r'])
  const continued = (parts: readonly string[]) =>
    Array.from({ length: 1 + random(3) }, () => `'${many(parts)}'`).join(gap)
  switch (random(5)) {
    case 0:
      return `E${continued([...plain, "\\'", '\\\\', '\\x6e', '\\157', '\\167 ', '\\u006E', '\\U0000006f', '\\xc3\\xa9', '\\t', '\\w', '\\\n'])}`
    case 1:
      return `U&${continued([...plain, '\\006e', '\\+00006F', '\\\\', '\\d83d\\de00'])}`
    case 2:
      return `u&${continued([...plain, '!006E', '!+00006f', '!!', '\\'])}${gap}UESCAPE '!'`
    case 3:
      return `$q1$${many([...plain, '$q', '$Q1$', "\\'", "'"])}$q1$`
    default:
      return continued([...plain, '\\', '\\x6e'])
  }
}

test('generated texts are read as the server reads them', async () => {
  const random = createRandom(17)
  for (let i = 0; i < 50; i++) {
    const texts = Array.from({ length: 10 }, (_, column) => `${writeText(random)} AS a$b$${column}`)
    const sql = `SELECT ${texts.join(", /* ' /* ; */ $a$ */ ")} --';\r;`
    const [row] = await postgres.execute(blankSemicolons(sql))
    expect(
      writtenTexts(sql).map(({ value }) => value),
      sql,
    ).toEqual(Object.values(row ?? {}))
    expect(blankSemicolons(sql), sql).toBe(`${sql.slice(0, -1)} `)
  }
})
