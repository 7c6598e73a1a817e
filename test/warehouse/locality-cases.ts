// Statements, and whether the rows of one key are made of the tables' rows of that key alone: each adapter that proves it is asked all.

import { expect, test } from 'vitest'
import type { TableRows, Warehouse } from '../../src/warehouse/port.ts'
import { tries } from '../thorough.ts'
import {
  createRandom,
  createStatement,
  createTables,
  createTwoColumnStatement,
  createTwoColumnTables,
  keys,
  type Random,
} from './generated-statements.ts'

export const [users, quotes, policies, transactions] = ['users', 'quotes', 'policies', 'transactions'].map(
  (name) => `feature_store.${name}`,
) as [string, string, string, string]

const proven = [
  `SELECT user_id, upper(name) AS name FROM ${users} WHERE creation_date > 5`,
  `SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time FROM ${quotes} Q LEFT JOIN ${policies} P ON Q.user_id = P.user_id LEFT JOIN ${transactions} T ON P.user_id = T.user_id LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count from ${transactions} T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`,
  `SELECT user_id, quote_type, count(*) FROM ${quotes} GROUP BY 1, 2 HAVING count(*) > 1`,
  `SELECT user_id, count(*) FROM ${quotes} GROUP BY ROLLUP (user_id)`,
  `SELECT u.user_id, count(q.quote_id) AS n FROM ${users} u, ${quotes} q WHERE q.user_id = u.user_id GROUP BY u.user_id`,
  `SELECT u.name, q.user_id FROM ${users} u JOIN ${quotes} q USING (user_id)`,
  `SELECT user_id, u.name, q.quote_id FROM ${users} u FULL JOIN ${quotes} q USING (user_id)`,
  `SELECT user_id, p.policy_type FROM ${users} NATURAL JOIN ${policies} p`,
  `SELECT q.* FROM ${users} u RIGHT JOIN ${quotes} q ON u.user_id = q.user_id`,
  `SELECT DISTINCT user_id, quote_type FROM ${quotes}`,
  `SELECT DISTINCT ON (user_id) user_id, quote_type FROM ${quotes} ORDER BY user_id, creation_date`,
  `SELECT user_id FROM ${users} UNION SELECT user_id FROM ${quotes} EXCEPT SELECT user_id FROM ${policies}`,
  `WITH c AS (SELECT user_id, count(*) n FROM ${quotes} GROUP BY user_id), d AS (SELECT * FROM c) SELECT user_id, n FROM d ORDER BY n`,
  `SELECT u.user_id, (SELECT count(*) FROM ${quotes} q WHERE q.user_id = u.user_id) AS n FROM ${users} u`,
  `SELECT u.user_id, (SELECT quote_type FROM ${quotes} q WHERE q.user_id = u.user_id ORDER BY creation_date LIMIT 1) AS n FROM ${users} u`,
  `SELECT user_id FROM ${users} u WHERE EXISTS (SELECT 1 FROM ${policies} p WHERE p.user_id = u.user_id AND p.policy_type = 'x')`,
  `SELECT user_id FROM ${users} WHERE user_id IN (SELECT user_id FROM ${policies})`,
  `SELECT u.user_id, d.label FROM ${users} u CROSS JOIN (VALUES ('a'), ('b')) d(label)`,
  `SELECT user_id, nullif(split_part(name, ' ', 1), '') AS first FROM ${users}`,
  `SELECT user_id, count(*) FILTER (WHERE is_paid) AS n, string_agg(DISTINCT quote_type, ',' ORDER BY quote_type) AS kinds FROM ${quotes} GROUP BY GROUPING SETS ((user_id), (user_id, quote_type))`,
  `SELECT user_id, n FROM (SELECT user_id, count(*) AS n FROM ${quotes} GROUP BY 1 ORDER BY count(*)) t WHERE n > 1`,
  `SELECT u.user_id, l.quote_id FROM ${users} u JOIN LATERAL (SELECT q.user_id, q.quote_id FROM ${quotes} q WHERE q.creation_date > u.creation_date) l ON l.user_id = u.user_id`,
  `SELECT a.user_id, b.user_id AS other FROM ${users} a JOIN ${quotes} b ON a.user_id = b.user_id JOIN ${policies} c ON c.user_id = b.user_id`,
  `SELECT "USER_ID" AS user_id, x.N FROM (SELECT user_id AS "USER_ID", count(*) AS n FROM ${quotes} GROUP BY user_id) X`,
]

const unproven: [string, string, string | RegExp][] = [
  ['a rank', `SELECT user_id, rank() OVER (ORDER BY creation_date) AS r FROM ${users}`, 'rank'],
  [
    'a window over another column',
    `SELECT user_id, count(*) OVER (PARTITION BY name) AS n FROM ${users}`,
    'PARTITION BY',
  ],
  [
    'two windows, one over all',
    `SELECT user_id, count(*) OVER (PARTITION BY user_id) AS a, count(*) OVER () AS b FROM ${users}`,
    'PARTITION BY',
  ],
  [
    'a window over a column that may be null',
    `SELECT u.user_id, count(*) OVER (PARTITION BY p.user_id) AS n FROM ${users} u LEFT JOIN ${policies} p ON p.user_id = u.user_id`,
    'user_id is not',
  ],
  [
    'an average over all',
    `SELECT user_id, creation_date - (SELECT avg(creation_date) FROM ${users}) AS d FROM ${users}`,
    'aggregates over all',
  ],
  [
    'a join with an aggregate over all',
    `SELECT user_id, c.n FROM ${users}, (SELECT count(*) AS n FROM ${users}) c`,
    'aggregates over all',
  ],
  ['the first five', `SELECT * FROM ${users} ORDER BY creation_date LIMIT 5`, 'LIMIT'],
  [
    'a join by another column',
    `SELECT u.user_id, count(*) AS n FROM ${users} u JOIN ${users} v ON u.name = v.name GROUP BY u.user_id`,
    'other columns than user_id',
  ],
  [
    'a comma without a condition',
    `SELECT u.user_id, v.name FROM ${users} u, ${users} v`,
    'other columns than user_id',
  ],
  ['another column by its name', `SELECT quote_id AS user_id FROM ${quotes}`, 'its user_id is not'],
  ['a computed key', `SELECT lower(user_id) AS user_id FROM ${users}`, 'its user_id is not'],
  [
    'a grouping by something else',
    `SELECT min(user_id) AS user_id, name FROM ${users} GROUP BY name`,
    'its user_id is not',
  ],
  [
    'one side of a union renamed',
    `SELECT user_id FROM ${users} UNION ALL SELECT quote_id FROM ${quotes}`,
    'its user_id is not',
  ],
  [
    'NOT IN, which a null turns',
    `SELECT user_id FROM ${users} WHERE user_id NOT IN (SELECT user_id FROM ${policies})`,
    /subquery|NOT IN/,
  ],
  [
    'IN over another column',
    `SELECT user_id FROM ${users} WHERE name IN (SELECT name FROM ${users})`,
    /subquery|other columns/,
  ],
  [
    'the unmatched side of an outer join',
    `SELECT q.user_id, count(*) AS n FROM ${users} u LEFT JOIN ${quotes} q ON q.user_id = u.name GROUP BY q.user_id`,
    'other columns than user_id',
  ],
  [
    'a chain by a shadowed WITH',
    `WITH users AS (SELECT name AS user_id FROM ${users}) SELECT user_id FROM users`,
    'its user_id is not',
  ],
  [
    'DISTINCT ON another column',
    `SELECT DISTINCT ON (name) user_id, name FROM ${users} ORDER BY name, creation_date`,
    /its user_id is not|DISTINCT ON is not by/,
  ],
  [
    'a recursion',
    `WITH RECURSIVE r AS (SELECT user_id, 1 AS n FROM ${users} UNION ALL SELECT user_id, n + 1 FROM r WHERE n < 3) SELECT * FROM r`,
    'RECURSIVE',
  ],
  [
    'a lateral join by another column',
    `SELECT u.user_id, l.n FROM ${users} u, LATERAL (SELECT count(*) AS n FROM ${quotes} q WHERE q.quote_type = u.name) l`,
    /aggregates|other columns/,
  ],
  [
    'a constant that asks a table',
    `SELECT user_id, c.x FROM ${users}, (SELECT EXISTS (SELECT 1 FROM ${quotes}) AS x) c`,
    /subquery|aggregates|other columns/,
  ],
  [
    'a window by what grouping sets leave null',
    `SELECT a AS user_id, count(*) OVER (PARTITION BY b) AS n FROM (SELECT x.user_id AS a, y.user_id AS b FROM ${users} x JOIN ${quotes} y ON x.user_id = y.user_id GROUP BY ROLLUP (x.user_id, y.user_id)) g`,
    'user_id is not',
  ],
  [
    'an aggregate in an order alone',
    `SELECT user_id, n FROM ${users}, (SELECT 1 AS n FROM ${quotes} ORDER BY count(*)) c`,
    /aggregates|other columns/,
  ],
  ['an offset', `SELECT * FROM ${users} ORDER BY user_id OFFSET 3`, 'LIMIT'],
  ['everything grouped into one', `SELECT max(user_id) AS user_id FROM ${users}`, 'aggregates over all'],
  [
    'a quantified comparison',
    `SELECT user_id FROM ${users} WHERE creation_date >= ALL (SELECT creation_date FROM ${users})`,
    /subquery|other columns/,
  ],
  [
    'an array of all',
    `SELECT user_id, ARRAY(SELECT name FROM ${users} ORDER BY name) AS names FROM ${users}`,
    /subquery|aggregates/,
  ],
]

const changing: [string, string][] = [
  ['now()', 'SELECT now() AS t, 1 AS k'],
  ['random()', 'SELECT k FROM generate_series(1, 5) r(k) ORDER BY random()'],
  ['current_date', 'SELECT current_date AS t, 1 AS k'],
  ['age() of one argument', `SELECT age(TIMESTAMP '2020-01-01') AS t, 1 AS k`],
]

/** The shared cases on one adapter, and its own. */
export function testLocality(
  warehouse: () => Pick<Warehouse, 'describe'>,
  own: { proven: readonly string[]; unproven: typeof unproven; changing: typeof changing },
): void {
  test.each([...proven, ...own.proven])('proven: %s', async (sql) => {
    expect(await warehouse().describe(sql, { key: ['user_id'] })).toMatchObject({
      whyNotLocal: null,
      changing: null,
    })
  })

  test.each([...unproven, ...own.unproven])('not proven, with the reason: %s', async (_name, sql, reason) => {
    const { whyNotLocal } = await warehouse().describe(sql, { key: ['user_id'] })
    expect(whyNotLocal).toMatch(reason)
  })

  test.each([...changing, ...own.changing])(
    'what changes from run to run is named: %s',
    async (what, sql) => {
      expect((await warehouse().describe(sql, { key: ['k'] })).changing).toBe(what)
    },
  )
}

export interface Generator {
  /** What the statements are made of, for the test's name. */
  of: string
  /** The columns that the tables' rows begin with. */
  key: readonly string[]
  entities: readonly (readonly string[])[]
  tables(random: Random): TableRows[]
  create(random: Random): string
  count: number
  /** Whether the engine may refuse some. */
  mayFail?: boolean
}

/** On a server each is analysed, planned and looked up in four warehouses. */
const statements = tries({ all: 60, part: 20 })

const common: Generator = {
  of: 'what every engine has',
  key: ['user_id'],
  entities: keys.map((key) => [key]),
  tables: createTables,
  create: createStatement,
  count: statements,
}

/** The same over tables of two columns that are the key together. */
export const ofTwoColumns: Generator = {
  of: 'what every engine has, by a key of two columns',
  key: ['user_id', 'quote_id'],
  entities: keys.flatMap((key) => keys.map((other) => [key, other])),
  tables: createTwoColumnTables,
  create: createTwoColumnStatement,
  count: statements / 2,
}

/** What is proven, held against warehouses of one key's rows alone: `open` gives a new, empty one each time. */
export function testGeneratedLocality(open: () => Promise<Warehouse>, generator = common): void {
  test(
    `of statements generated of ${generator.of}, what is proven local gives each key the same rows as a warehouse with that key’s rows alone`,
    async () => {
      const random = createRandom(20_261)
      const tables = generator.tables(random)
      const append = async (warehouse: Warehouse, entity: readonly string[] | null) => {
        const own = tables.map((table) => ({
          ...table,
          rows: table.rows.filter((row) => entity === null || entity.every((value, i) => row[i] === value)),
        }))
        await warehouse.append({ jobId: 'generated', batch: 0, tables: own })
        return warehouse
      }
      const whole = await append(await open(), null)
      const alone: Warehouse[] = []
      for (const entity of generator.entities) alone.push(await append(await open(), entity))
      const found = async (warehouse: Warehouse | undefined, sql: string, entity: readonly string[]) =>
        ((await warehouse?.lookup({ sql, key: generator.key, values: [entity] }))?.rows ?? [])
          .map((row) => JSON.stringify(row))
          .sort()
      const describe = async (sql: string) => {
        try {
          return await whole.describe(sql, { key: generator.key })
        } catch (error) {
          if (generator.mayFail !== true) throw error
          expect(error, sql).toMatchObject({ code: 'INVALID_SQL' })
          return undefined
        }
      }

      let described = 0
      let proven = 0
      let refuted = 0
      for (let i = 0; i < generator.count; i++) {
        const sql = generator.create(random)
        const description = await describe(sql)
        if (description === undefined) continue
        described += 1
        const { whyNotLocal } = description
        if (whyNotLocal === null) proven += 1
        for (const [place, entity] of generator.entities.entries()) {
          const [ofAll, ofOwn] = [await found(whole, sql, entity), await found(alone[place], sql, entity)]
          if (whyNotLocal === null) expect(ofOwn, `${entity}: ${sql}`).toEqual(ofAll)
          else if (JSON.stringify(ofOwn) !== JSON.stringify(ofAll)) {
            refuted += 1
            break
          }
        }
      }
      // Were all alike, nothing would have been tried.
      expect(described).toBeGreaterThan(generator.count * 0.9)
      expect(proven).toBeGreaterThan(generator.count / 6)
      expect(refuted).toBeGreaterThan(generator.count / 6)
      await Promise.all([whole, ...alone].map((warehouse) => warehouse.close()))
    },
    120_000 + generator.count * 2_000,
  )
}
