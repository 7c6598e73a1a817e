// Statements that call as_of(): part of the contract of the warehouse port.

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { parseMicros } from '../../src/values/calendar.ts'
import type { Row } from '../../src/values/columns.ts'
import { tries } from '../thorough.ts'
import type { Opened, WarehouseTests } from './warehouse-tests.ts'

/** Statements of one engine alone, with § where the moment stands. */
export interface OwnMoments {
  statements?: readonly string[]
  /** How else the engine lets the call be written. */
  spellings?: readonly string[]
}

const micros = (text: string): bigint => {
  const parsed = parseMicros(text)
  if (parsed === null) throw new Error(`${text} is no moment`)
  return parsed
}

/** Two users' payments; those of the first are the worked example's. */
const payments = `(VALUES
  (1, TIMESTAMP '2026-03-01 12:00:00.000000', 10), (1, TIMESTAMP '2026-03-04 12:00:00.000000', 20),
  (1, TIMESTAMP '2026-03-04 12:00:00.000000', 5), (1, TIMESTAMP '2026-03-11 12:00:00.000000', 40),
  (2, TIMESTAMP '2026-03-03 23:59:59.999999', 7), (2, TIMESTAMP '2026-03-10 00:00:00.000001', 8)
) payments(user_id, ts, amount)`
const windows = `SELECT user_id, count(*) FILTER (WHERE ts > § - INTERVAL '7' DAY) AS n_7d,
  sum(amount) FILTER (WHERE ts > § - INTERVAL '7' DAY) AS sum_7d
  FROM ${payments} WHERE ts <= § GROUP BY user_id`
const asked = (statement: string, call = 'as_of()') => statement.replaceAll('§', call)

const plainStatements = [
  windows,
  `SELECT § AS t, user_id FROM ${payments}`,
  `SELECT 1 AS k, § AS t`,
  `SELECT 1 AS k, CAST(§ AS DATE) AS d, EXTRACT(YEAR FROM §) AS y, date_trunc('month', §) AS m`,
  `WITH p AS (SELECT * FROM ${payments} WHERE ts <= §), unused AS (SELECT § AS t) SELECT user_id, max(ts) AS ts, count(*) AS n FROM p GROUP BY user_id`,
  `SELECT user_id, (SELECT max(amount) FROM ${payments} WHERE payments.user_id = p.user_id AND payments.ts <= §) AS most FROM (SELECT DISTINCT user_id FROM ${payments}) p`,
  `SELECT p.user_id, v.n FROM (SELECT DISTINCT user_id FROM ${payments}) p CROSS JOIN LATERAL (SELECT count(*) AS n FROM ${payments} WHERE payments.user_id = p.user_id AND ts <= §) v`,
  `SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY CASE WHEN ts <= § THEN 0 ELSE 1 END, ts, amount) AS n FROM ${payments}`,
  `SELECT user_id, sum(amount) OVER (PARTITION BY user_id, ts <= §) AS n FROM ${payments}`,
  `SELECT user_id, ts FROM ${payments} WHERE ts BETWEEN § - INTERVAL '3' DAY AND § AND NOT EXISTS (SELECT 1 WHERE § < ts)`,
  `SELECT user_id, count(*) AS n FROM ${payments} WHERE ts <= § GROUP BY user_id HAVING max(ts) > § - INTERVAL '2' DAY`,
  `SELECT user_id, ts FROM ${payments} WHERE ts <= § UNION ALL SELECT 3, §`,
  `SELECT user_id, CASE WHEN ts > § THEN 'later' WHEN ts = § THEN 'now' ELSE 'before' END AS w FROM ${payments}`,
  `SELECT COALESCE(max(ts), §) AS t, 1 AS k FROM ${payments} WHERE ts <= §`,
  `SELECT a.user_id, b.amount FROM ${payments} JOIN (SELECT user_id, amount, ts FROM ${payments}) b ON payments.user_id = b.user_id AND b.ts <= § JOIN (SELECT 1 AS user_id) a ON a.user_id = b.user_id`,
  // None of these is a call.
  `SELECT 1 AS k, 'as_of()' AS s, '--' AS u, § AS v -- as_of()`,
  `SELECT as_of, "as_of()", § AS t /* as_of() */ FROM (SELECT 1 AS as_of, 2 AS "as_of()") as_of`,
  `SELECT as_of.as_of, § AS t FROM (SELECT 1 AS as_of) as_of WHERE as_of.as_of = 1 AND '''as_of()' <> 'as_of()'''`,
  `SELECT (as_of) AS x, § AS t, 'as_of()é😀' AS s FROM (SELECT 3 AS as_of) t WHERE § IS NOT NULL`,
]
const plainSpellings = [
  'as_of()',
  'AS_OF()',
  'As_Of ( )',
  'as_of\n(\t)',
  'as_of/* ) as_of() */()',
  'as_of -- )\n()',
  '"as_of"()',
]
const moments = [
  '2026-03-01T12:00:00Z',
  '2026-03-04T11:59:59.999999Z',
  '2026-03-04T12:00:00Z',
  '2026-03-11T12:00:00.000001Z',
  '1969-12-31T23:59:59.999999Z',
  '2400-02-29T00:00:00.5Z',
]

export function testAsOf(at: Opened, { refusal }: WarehouseTests, own: OwnMoments = {}): void {
  async function exported(sql: string, asOf?: bigint): Promise<{ names: string[]; rows: string[] }> {
    const { warehouse, parquet, subject } = at
    const { folder } = subject
    const path = join(folder, `${crypto.randomUUID()}.parquet`)
    const { columns } = await warehouse.exportParquet({ sql, path, asOf })
    const { rows } = await parquet.read(path, { columns, offset: 0, limit: 1000 })
    return { names: columns.map(({ name, type }) => `${name} ${type}`), rows: rows.map(textOf).sort() }
  }
  /** The statement with the moment written by hand. */
  const byHand = (statement: string, moment: string) =>
    asked(
      statement,
      `CAST('${moment.replace('T', ' ').replace('Z', '')}' AS TIMESTAMP${at.warehouse.name === 'trino' ? '(6)' : ''})`,
    )

  describe('as_of()', () => {
    test.for([
      ['2026-03-04T12:00:00Z', '[1,3,35]'],
      ['2026-03-04T11:59:59.999999Z', '[1,1,10]'],
      ['2026-03-08T12:00:00Z', '[1,2,25]'],
      ['2026-03-11T12:00:00Z', '[1,1,40]'],
      ['2026-03-18T12:00:00Z', '[1,0,null]'],
    ])('MUST be the moment that is asked about, to the microsecond: %s', async ([moment = '', expected]) => {
      const { warehouse } = at
      const asOf = micros(moment)
      const sql = asked(windows)
      const { columns, rows } = await warehouse.lookup({ sql, key: ['user_id'], values: [[1]], asOf })
      expect(rows.map(textOf)).toEqual([expected])
      const scan = await warehouse.scan({ sql, key: ['user_id'], asOf })
      const scanned: Row[] = []
      for await (const batch of scan.batches) scanned.push(...batch)
      expect(scanned.map(textOf)).toContain(expected)
      expect(scan.columns).toEqual(columns)
      expect((await exported(sql, asOf)).rows).toEqual(scanned.map(textOf).sort())
    })

    test('MUST be a timestamp of six decimals without zone', async () => {
      const { names, rows } = await exported(
        'SELECT as_of() AS t, 1 AS k',
        micros('2026-03-04T11:59:59.999999Z'),
      )
      expect(names[0]).toBe('t TIMESTAMP')
      expect(rows).toEqual(['["2026-03-04T11:59:59.999999Z",1]'])
    })

    const statements = [...plainStatements, ...(own.statements ?? [])]
    test.for(statements.map((statement, i) => [i, statement] as const))(
      'MUST give what the moment written by hand gives, however it is spelt: statement %i',
      async ([i, statement], { annotate }) => {
        const spellings = [...plainSpellings, ...(own.spellings ?? [])]
        let compared = 0
        for (const [m, moment] of moments.entries()) {
          // Each statement at some of the moments, so that each moment meets each way of writing.
          if ((i + m) % tries({ all: 2, part: 3 }) > 0) continue
          const spelling = spellings[(i + m) % spellings.length] ?? ''
          const expected = await exported(byHand(statement, moment))
          expect(await exported(asked(statement, spelling), micros(moment))).toEqual(expected)
          compared++
        }
        await annotate(`${compared} moments compared`)
      },
    )

    test('MUST find a call in each way that it may be written', async () => {
      for (const spelling of [...plainSpellings, ...(own.spellings ?? [])]) {
        const { rows } = await exported(`SELECT 1 AS k, ${spelling} AS t`, micros('2026-03-04T12:00:00Z'))
        expect(rows, spelling).toEqual(['[1,"2026-03-04T12:00:00Z"]'])
      }
    })

    test('MUST tell of a statement whether it asks for a moment', async () => {
      const { warehouse } = at
      expect((await warehouse.describe(asked(windows))).asksForMoment).toBe(true)
      const none = "SELECT as_of, 'as_of()' AS s /* as_of() */ FROM (SELECT 1 AS as_of) as_of -- as_of()"
      expect((await warehouse.describe(none)).asksForMoment).toBe(false)
    })

    test('MUST leave a statement as exact as it is with a constant, and its columns the same at every moment', async () => {
      const { warehouse } = at
      const sql = `SELECT as_of(), count(*) AS n FROM ${payments} WHERE ts < as_of()`
      const told = await warehouse.describe(sql, { key: ['n'] })
      expect(told.changing).toBeNull()
      expect(told.determinism?.rows.level).toBe('EXACT')
      for (const moment of moments) {
        const { columns } = await warehouse.lookup({
          sql,
          saved: told.columns,
          key: ['n'],
          values: [[3]],
          asOf: micros(moment),
        })
        expect(columns).toEqual(told.columns)
      }
    })

    test('MUST refuse a request without a moment, and one that asks for it in vain', async () => {
      const { warehouse } = at
      const path = join(at.subject.folder, `${crypto.randomUUID()}.parquet`)
      const isMissing = { code: 'BAD_USER_INPUT', message: expect.stringContaining('asOf') }
      for (const [sql, asOf] of [[asked(windows)], [`SELECT * FROM ${payments}`, 0n]] as const) {
        const key = ['user_id']
        expect(await refusal(warehouse.lookup({ sql, key, values: [[1]], asOf }))).toMatchObject(isMissing)
        expect(await refusal(warehouse.scan({ sql, key, asOf }))).toMatchObject(isMissing)
        expect(await refusal(warehouse.exportParquet({ sql, path, asOf }))).toMatchObject(isMissing)
      }
    })

    test.for([
      'SELECT as_of(1) AS t',
      'SELECT as_of() OVER () AS t',
      'SELECT as_of() FILTER (WHERE true) AS t',
      'SELECT t.x AS x FROM as_of() AS t(x)',
      'SELECT nowhere.as_of() AS t',
      'SELECT as_of( AS t',
    ])('MUST refuse what is no value by itself: %s', async (sql) => {
      const error = await refusal(at.warehouse.describe(sql))
      expect(error.code).toBe('INVALID_SQL')
      expect(error.message).not.toContain('gateway_moment')
    })

    test('MUST tell places of the text as the user wrote it', async () => {
      const sql = `SELECT as_of() AS a,\n  as_of() - INTERVAL '1' DAY AS b, as_of() AS "é", nothing AS c`
      const error = await refusal(at.warehouse.describe(sql))
      expect(error.code).toBe('INVALID_SQL')
      expect(error.details).toMatchObject({ line: 2, column: 52 })
    })

    test('MUST give the statement with an expression in place of each call', async () => {
      const { warehouse } = at
      const sql = await warehouse.atMoment(asked(windows), 's.asked')
      const joined = `SELECT s.asked, v.user_id, v.n_7d, v.sum_7d FROM (VALUES (TIMESTAMP '2026-03-04 12:00:00.000000'), (TIMESTAMP '2026-03-08 12:00:00.000000')) s(asked) CROSS JOIN LATERAL (SELECT * FROM (\n${sql}\n) q WHERE q.user_id = 1) v`
      const own = await exported(joined).catch((error: unknown) => {
        // It has no such joins.
        if (warehouse.name === 'trino' && error instanceof AppError) return null
        throw error
      })
      if (own !== null)
        expect(own.rows).toEqual(['["2026-03-04T12:00:00Z",1,3,35]', '["2026-03-08T12:00:00Z",1,2,25]'])
      const plain = await warehouse.atMoment(asked(windows), "TIMESTAMP '2026-03-11 12:00:00.000000'")
      expect((await exported(`SELECT * FROM (\n${plain}\n) q WHERE user_id = 1`)).rows).toEqual(['[1,1,40]'])
    })
  })
}

function textOf(row: Row): string {
  return JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))
}
