// The analysed form of PostgreSQL 18, which differs from 15's, read alike: on the server that runs in this process.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { demoTables } from '../../src/demo/tables.ts'
import type { ColumnType } from '../../src/values/columns.ts'
import { judgeStatement } from '../../src/warehouse/postgres/judge.ts'
import { prove } from '../../src/warehouse/postgres/proof/proofs.ts'
import { createSchemas } from '../../src/warehouse/postgres/schema.ts'
import type { Session } from '../../src/warehouse/postgres/session.ts'
import { testLocality, users } from './locality-cases.ts'

const types: Partial<Record<ColumnType, string>> = { STRING: 'text', FLOAT64: 'float8', BOOLEAN: 'boolean' }
let database: PGlite
let session: Pick<Session, 'query' | 'describe' | 'script'>

beforeAll(async () => {
  database = new PGlite()
  session = createEmbeddedSession(database)
  await createSchemas(session as Session)
  for (const { name, columns } of demoTables) {
    const list = columns.map((column) => `${column.name} ${types[column.type]}`)
    await database.exec(`CREATE TABLE feature_store.${name} (${list.join(', ')})`)
  }
  await database.exec(`CREATE VIEW paid AS SELECT user_id, count(*) AS n FROM ${users} GROUP BY user_id;
    CREATE VIEW newest AS SELECT * FROM ${users} ORDER BY creation_date DESC LIMIT 10`)
})

afterAll(() => database?.close())

const json = 114
const parsers = { [json]: (text: string) => text }

function createEmbeddedSession(embedded: PGlite): typeof session {
  return {
    async query(sql, values = []) {
      const { rows } = await embedded.query<(string | null)[]>(sql, [...values], {
        rowMode: 'array',
        parsers,
      })
      return rows
    },
    async describe(sql) {
      const { resultFields } = await embedded.describeQuery(sql)
      return resultFields.map(({ name, dataTypeID }) => ({ name, typeOid: dataTypeID, typeModifier: -1 }))
    },
    async script(sql) {
      await embedded.exec(sql)
    },
  }
}

async function describe(sql: string, { key = [] }: { key?: readonly string[] } = {}) {
  await session.script('BEGIN')
  try {
    const { analysis, tables } = await judgeStatement(session as Session, { sql })
    const asksForMoment = false
    return {
      columns: [],
      tables,
      asksForMoment,
      ...(await prove(session as Session, { sql, analysis, tables, key })),
    }
  } finally {
    await session.script('ROLLBACK')
  }
}

testLocality(() => ({ describe }), {
  proven: [
    'SELECT u.user_id, p.n FROM paid p FULL JOIN feature_store.users u USING (user_id)',
    `SELECT user_id, a.name, b.quote_id FROM ${users} a FULL JOIN feature_store.quotes b USING (user_id)`,
    `SELECT user_id, sum(count(*)) OVER (PARTITION BY user_id) AS n FROM ${users} GROUP BY user_id, name`,
  ],
  unproven: [['a limit within a view', 'SELECT * FROM newest', 'LIMIT']],
  changing: [['now()', 'SELECT now() AS t, 1 AS k']],
})

test.each([
  [
    'json_value(\'{"t": "now"}\', \'$.t\' RETURNING timestamptz)',
    /a text that is read as timestamp with time zone/,
  ],
  ["json_value('{}', '$.t' RETURNING int DEFAULT 1 ON EMPTY) + extract(day FROM date 'today')", "'today'"],
  [
    "(SELECT t FROM json_table('[\"now\"]', '$[*]' COLUMNS (t timestamp PATH '$')) j)",
    /a text that is read as/,
  ],
  ['uuidv7()', 'uuidv7()'],
])('named as changing: %s', async (expression, named) => {
  expect((await describe(`SELECT 1 AS k, ${expression} AS v`)).changing).toMatch(named)
})

test.each([
  'json_value(\'{"t": "now"}\', \'$.t\')',
  "to_timestamp(json_value('{}', '$.now'), 'YYYY-MM-DD')",
  "(SELECT d FROM json_table('[\"now\"]', '$[*]' COLUMNS (d text PATH '$')) j)",
])('nothing of it changes: %s', async (expression) => {
  expect((await describe(`SELECT 1 AS k, ${expression} AS v`)).changing).toBeNull()
})
