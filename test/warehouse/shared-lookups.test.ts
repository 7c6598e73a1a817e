// Keys looked up for many statements at once: each gives what it gives by itself, and none is another's fault.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Row } from '../../src/values/columns.ts'
import type { LookupManyRequest, LookupResult, Warehouse } from '../../src/warehouse/port.ts'
import { onAdapter } from '../adapters.ts'
import { tries } from '../thorough.ts'
import { createDuckdbStatement } from './generated-duckdb-statements.ts'
import { createRandom, createStatement, createTables } from './generated-statements.ts'
import { createLookupStatement } from './lookup-statements.ts'
import { createWarehouseFolder } from './open-duckdb.ts'
import { startPostgresWarehouse } from './open-postgres.ts'

const key = ['user_id']
const users = 'feature_store.users'
const date = 'creation_date'

type Random = ReturnType<typeof createRandom>

interface Opened {
  warehouse: Warehouse
  stop(): Promise<void>
}

async function lookUpMany(
  { lookupMany }: Warehouse,
  sqls: readonly string[],
  values: readonly string[],
  more: Partial<LookupManyRequest['statements'][number]> = {},
): Promise<readonly (LookupResult | null)[]> {
  if (lookupMany === undefined) throw new Error('The warehouse takes statements together')
  return lookupMany({
    key,
    values: values.map((value) => [value]),
    statements: sqls.map((sql) => ({ sql, ...more })),
  })
}

function textsOf({ columns, rows }: LookupResult, values: readonly string[]): string[] {
  const at = columns.findIndex((column) => column.name === 'user_id')
  return rows
    .filter((row) => values.includes(String(row[at])))
    .map(text)
    .sort()
}

const text = (row: Row) =>
  JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))

/** `create` makes the i-th statement; one whose rows need not be of its key alone is looked up too where `isAnyTaken`. */
function testSharedLookups(
  open: () => Promise<Opened>,
  {
    create,
    isAnyTaken,
    slow,
    others,
  }: {
    create: (random: Random, i: number) => string
    isAnyTaken: (i: number) => boolean
    slow: string
    /** Each with whether it is taken together with others. */
    others: readonly (readonly [string, boolean])[]
  },
) {
  let warehouse: Warehouse
  let opened: Opened

  beforeAll(async () => {
    opened = await open()
    warehouse = opened.warehouse
    await warehouse.append({ jobId: 'generated', batch: 0, tables: createTables(createRandom(7)) })
  })

  afterAll(() => opened?.stop())

  const lookUp = (sql: string, values: readonly string[], more = {}) =>
    warehouse.lookup({ sql, key, values: values.map((value) => [value]), ...more })

  async function isTaken(sql: string, i: number): Promise<boolean> {
    const { whyNotLocal, changing } = await warehouse
      .describe(sql, { key })
      .catch(() => ({ whyNotLocal: undefined, changing: undefined }))
    return changing === null && (whyNotLocal === null || (whyNotLocal !== undefined && isAnyTaken(i)))
  }

  test('Generated statements give together what each gives by itself', async () => {
    const random = createRandom(20261)
    const taken: string[] = []
    for (let i = 0; i < tries({ all: 1500, part: 300 }); i++) {
      const sql = create(random, i)
      if (await isTaken(sql, i)) taken.push(sql)
    }
    let [compared, rows] = [0, 0]
    for (const values of [
      ['a'],
      ['a', 'b', 'none'],
      ['a', 'b', 'A', ...Array.from({ length: 300 }, (_, i) => `none${i}`)],
    ]) {
      const together = await lookUpMany(warehouse, taken, values)
      for (const [i, sql] of taken.entries()) {
        const result = together[i]
        if (result == null) continue
        const alone = await lookUp(sql, values)
        expect(textsOf(result, values), sql).toEqual(textsOf(alone, values))
        expect([result.version, result.columns], sql).toEqual([alone.version, alone.columns])
        compared++
        rows += result.rows.length
      }
    }
    expect(compared).toBeGreaterThan(2.5 * taken.length)
    expect([taken.length > 50, rows > taken.length]).toEqual([true, true])
  })

  test('A statement that fails, is slow or cannot be taken is left to be looked up by itself', async () => {
    const fine = Array.from({ length: 5 }, (_, i) => `SELECT user_id, ${date} + ${i} AS n FROM ${users}`)
    const failing = `SELECT user_id, CAST(user_id AS INTEGER) AS n FROM ${users}`
    const together = await lookUpMany(
      warehouse,
      [fine[0] ?? '', failing, ...fine.slice(1, 3), slow, ...fine.slice(3), ...others.map(([sql]) => sql)],
      ['a'],
    )
    const found = [true, false, true, true, false, true, true, ...others.map(([, is]) => is)]
    expect(together.map((result) => result !== null)).toEqual(found)
  })

  test('Of the saved columns and of a moment each gives what it is asked for, at the version of the last append', async () => {
    const sql = `SELECT user_id, ${date} AS n, name, as_of() AS t FROM ${users}`
    const saved = (await warehouse.describe(sql)).columns.filter((column) => column.name !== 'name')
    const more = { saved, asOf: 5_000_000n }
    const [first, second] = await lookUpMany(warehouse, [sql, sql], ['a'], more)
    const alone = await lookUp(sql, ['a'], more)
    expect(first).toEqual(alone)
    expect(second).toEqual(alone)
    const appended = await warehouse.append({
      jobId: 'one more',
      batch: 0,
      tables: [{ table: 'users', columns: ['user_id', date], rows: [['fresh', 9]] }],
    })
    const rows = await lookUpMany(
      warehouse,
      [1, 2].map((n) => `SELECT user_id, ${date} * ${n} AS n FROM ${users}`),
      ['fresh'],
    )
    expect(rows.map((result) => [result?.version, result?.rows])).toEqual([
      [appended.version, [['fresh', 9]]],
      [appended.version, [['fresh', 18]]],
    ])
  })

  test('Of rows in time each gives those of its timeline', async () => {
    const sqls = [0, 1, 2].map(
      (n) => `SELECT user_id, name, CAST('2020-01-0' || (1 + ${n}) AS TIMESTAMP) AS t FROM ${users}`,
    )
    for (const sql of sqls) {
      const { columns: saved } = await warehouse.describe(sql)
      const timeline = { timestamp: 't', created: null, moment: 1_577_880_000_000_000n, later: 2 }
      const together = await lookUpMany(warehouse, [sql, sql], ['a', 'b'], { saved, timeline })
      const alone = await lookUp(sql, ['a', 'b'], { saved, timeline })
      expect(together.map((result) => result && textsOf(result, ['a', 'b']))).toEqual([
        textsOf(alone, ['a', 'b']),
        textsOf(alone, ['a', 'b']),
      ])
    }
  })
}

describe('DuckDB', () => {
  testSharedLookups(
    async () => {
      const folder = await createWarehouseFolder()
      const warehouse = await folder.open()
      const stop = async () => {
        await warehouse.close()
        await folder.remove()
      }
      return { warehouse, stop }
    },
    {
      create: (random, i) =>
        i % 2 === 0 ? createStatement(random, 3) : createDuckdbStatement(random, false),
      isAnyTaken: () => false,
      slow: `SELECT user_id, (SELECT count(*) FROM range(100000) a(i), range(100000) b(j) WHERE (i * j) % 7 = creation_date) AS n FROM ${users}`,
      others: [
        [`SELECT user_id, rowid AS n FROM ${users}`, false],
        [`SELECT user_id, nothing AS n FROM ${users}`, false],
        ["SELECT 'a' AS user_id, 1 AS n", false],
      ],
    },
  )
})

onAdapter('postgres', () =>
  describe('PostgreSQL', () => {
    let postgres: Awaited<ReturnType<typeof startPostgresWarehouse>>
    testSharedLookups(
      async () => {
        postgres = await startPostgresWarehouse()
        await postgres.execute(
          `CREATE TABLE kinds (user_id char(3), lasted interval, at time, amount numeric(9, 2), tags text[], more jsonb);
           INSERT INTO kinds VALUES ('a', '1 day 2 hours', '10:11:12', 1.50, '{x,NULL}', '{"b": 1}'), ('a', '-1 mon', NULL, NULL, '{}', 'null'), ('b', NULL, '00:00', 2, NULL, NULL)`,
        )
        return postgres
      },
      {
        create: (random, i) => (i % 2 === 0 ? createStatement(random, 3) : createLookupStatement(random)),
        isAnyTaken: (i) => i % 2 === 1,
        slow: `SELECT user_id, (SELECT count(*) FROM generate_series(1, 10000) a(i), generate_series(1, 100000) b(j) WHERE (i + j) % 7 = creation_date) AS n FROM ${users}`,
        others: [
          [`SELECT user_id, nothing AS n FROM ${users}`, false],
          ["SELECT 'a' AS user_id, 1 AS n", true],
          ['SELECT * FROM kinds', true],
        ],
      },
    )

    test('Types that are read otherwise than they are, and columns that become others, give what they give by themselves', async () => {
      const { warehouse, execute } = postgres
      const sql = 'SELECT * FROM kinds'
      const alone = () => warehouse.lookup({ sql, key, values: [['a'], ['b']] })
      const [first, second] = await lookUpMany(warehouse, [sql, sql], ['a', 'b'])
      expect([first, second]).toEqual([await alone(), await alone()])
      expect(first?.rows).toHaveLength(3)
      await execute('ALTER TABLE kinds ALTER amount TYPE float8, ADD added int DEFAULT 7')
      // What was planned is outdated: each by itself is planned anew, and from then on they are taken together.
      expect(await lookUpMany(warehouse, [sql, sql], ['a', 'b'])).toEqual([null, null])
      const changed = await alone()
      expect(changed.columns.map((column) => column.name)).toContain('added')
      expect(await lookUpMany(warehouse, [sql, sql], ['a', 'b'])).toEqual([changed, changed])
    })
  }),
)
