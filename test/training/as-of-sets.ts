// Training sets of views whose queries call as_of(), on every warehouse: windows made at random, held against plain arithmetic.

import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FeatureReference } from '../../src/features/references.ts'
import type { Training } from '../../src/training/service.ts'
import type { SpineRequest } from '../../src/training/sets/spine.ts'
import { formatMicros } from '../../src/values/calendar.ts'
import type { Value } from '../../src/values/columns.ts'
import { createDataFolder } from '../data-folder.ts'
import { createDice } from '../fuzz/promise/dice.ts'
import { tries } from '../thorough.ts'
import { makePayments, makeQuery, momentOf, type WindowQuery } from './as-of-windows.ts'
import { resolving } from './resolving.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

const users = 12
/** Each doubles the first window, and tells an empty one by -1. */
const etls = {
  none: () => null,
  script: ({ names }: WindowQuery) =>
    `export const columns = ${JSON.stringify(Object.fromEntries(['user_id', ...names].map((name) => [name, 'INT64'])))}
export function transform(row) { return { ...row, w0: row.w0 === null ? -1 : row.w0 * 2 } }`,
  sql: () =>
    'SELECT * REPLACE (CAST(CASE WHEN w0 IS NULL THEN -1 ELSE w0 * 2 END AS BIGINT) AS w0) FROM input',
}
type Etl = keyof typeof etls
/** Of the middle of all payments: rows are there then. */
const seen = BigInt(Date.parse('2026-03-12T00:00:00Z')) * 1000n

interface Asked {
  user: number | null
  moment: bigint | null
}

/** `fewMoments` of a spine are what an engine without LATERAL can do. */
export function testAsOfSets(
  name: string,
  start: () => Promise<{ url: string; stop(): Promise<void> }>,
  { fewMoments = false, rounds = tries({ all: 12, part: 3 }) } = {},
): void {
  describe(`${name}'s training sets with as_of()`, () => {
    const dice = createDice(7_301)
    const payments = makePayments(dice, users, 300)
    let server: Awaited<ReturnType<typeof start>>
    let folder: Awaited<ReturnType<typeof createDataFolder>>
    let stack: TrainingStack
    let training: Training

    beforeAll(async () => {
      server = await start()
      folder = await createDataFolder('as-of-sets')
      stack = await openTrainingStack(folder.path, server.url)
      training = stack.training()
      const columns = [
        { name: 'user_id', type: 'INT64' as const, nullable: true },
        { name: 'ts', type: 'TIMESTAMP' as const, nullable: true },
        { name: 'amount', type: 'INT64' as const, nullable: true },
      ]
      await stack.warehouse.createTable({ name: 'payments', columns })
      await stack.warehouse.createTable({
        name: 'asked',
        columns: [...columns.slice(0, 2), { name: 'nr', type: 'INT64', nullable: true }],
      })
      await append(
        'payments',
        ['user_id', 'ts', 'amount'],
        payments.map(({ user, ts, amount }) => [user, formatMicros(ts), amount]),
      )
    })
    afterAll(async () => {
      await training?.close()
      await stack?.close()
      await folder?.remove()
      await server?.stop()
    })

    const append = (table: string, columns: readonly string[], rows: readonly (readonly Value[])[]) =>
      stack.warehouse.append({ jobId: randomUUID(), batch: 0, tables: [{ table, columns, rows }] })

    async function makeView(view: string, sql: string, etl: string | null) {
      const { query } = await training.queryTrain({ sql, name: view, save: true, waitMs: 60_000 })
      const queryId = query?.id ?? ''
      let etlId: string | null = null
      if (etl !== null) {
        const path = join(stack.etlFolder, `${view}.${etl.startsWith('SELECT') ? 'sql' : 'js'}`)
        await writeFile(path, etl)
        const extracted = await training.extractTrain({
          queryId,
          etlPath: `file:${path}`,
          asOf: seen,
          save: true,
          waitMs: 60_000,
        })
        etlId = extracted.etl?.id ?? null
      }
      const made = { name: view, queryId, etlId, indexKeys: ['user_id'], ttlSeconds: 60 }
      await stack.catalog.featureViews.create({ ...made, refresh: 'MANUAL', tables: [] })
    }

    async function make(spine: SpineRequest, view: string) {
      const reference: FeatureReference = { view, features: null, prefix: null, keys: [] }
      const { dataset, notPointInTime } = await training.createTrainingSet({
        spine,
        resolve: resolving(stack, [reference]),
        name: null,
        timestampColumn: 'ts',
        knownAsOf: false,
        waitMs: 60_000,
      })
      expect(dataset).toMatchObject({ status: 'SUCCEEDED' })
      expect(notPointInTime).toEqual([])
      return (await training.rows(dataset.id, { offset: 0, limit: 1000 })).rows
    }

    const spineOf = (count: number): Asked[] => {
      const moments = Array.from({ length: fewMoments ? 10 : count }, () => momentOf(dice))
      return Array.from({ length: count }, () => ({
        user: dice.pick([...Array(users + 2).keys(), null]),
        moment: dice.pick([...moments, null]),
      }))
    }
    const textOf = (moment: bigint | null) => (moment === null ? null : formatMicros(moment))

    function expectedOf(query: WindowQuery, asked: readonly Asked[], etl: Etl): Value[][] {
      return asked.map(({ user, moment }, nr) => {
        const found = user === null || moment === null ? null : query.rowOf(user, moment)
        const row = found ?? query.names.map(() => null)
        const first = found === null || etl === 'none' ? row[0] : row[0] === null ? -1 : Number(row[0]) * 2
        return [user, textOf(moment), nr, first ?? null, ...row.slice(1)]
      })
    }

    test.for(Object.keys(etls) as Etl[])(
      'are each row as of its time, over random windows, through ETL: %s',
      { timeout: 600_000 },
      async (etl) => {
        let compared = 0
        for (let round = 0; round < rounds; round++) {
          const query = makeQuery(dice, payments)
          const view = `windows ${etl} ${round}`
          await makeView(view, `${query.sql} -- ${view}`, etls[etl](query))
          const asked = spineOf(dice.pick([5, 40, 120]))
          const rows = asked.map(({ user, moment }, nr) => ({ user_id: user, ts: textOf(moment), nr }))
          const expected = expectedOf(query, asked, etl)
          expect(await make({ rows }, view), `${query.sql} over rows`).toEqual(expected)
          const before = `${round}${etl.length}000`
          await append(
            'asked',
            ['user_id', 'ts', 'nr'],
            rows.map((row) => [row.user_id, row.ts, Number(before) + row.nr]),
          )
          const sql = `SELECT user_id, ts, nr - ${before} AS nr FROM feature_store.asked WHERE nr BETWEEN ${before} AND ${before} + 999 ORDER BY nr`
          expect(await make({ sql }, view), `${query.sql} over a statement`).toEqual(expected)
          compared += 2 * rows.length
        }
        expect(compared).toBeGreaterThanOrEqual(10 * rounds)
      },
    )

    test.for(['a statement', 'rows'] as const)(
      'refuse a view that gives one key several rows, and name the key: %s',
      async (kind) => {
        const view = `several ${kind}`
        await makeView(
          view,
          `SELECT user_id, amount FROM feature_store.payments WHERE ts <= as_of() -- ${view}`,
          null,
        )
        const sql = `SELECT user_id, CAST('2026-04-01 00:00:00' AS TIMESTAMP) AS ts FROM (VALUES (3), (4)) t(user_id)`
        const rows = [3, 4].map((user_id) => ({ user_id, ts: '2026-04-01T00:00:00Z' }))
        const making = make(kind === 'rows' ? { rows } : { sql }, view)
        await expect(making).rejects.toThrow(
          new RegExp(`The feature view ${view} has several rows of one key.*user_id [34]`),
        )
        await expect(making).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
      },
    )

    test('of one moment are the features of entities at it', async () => {
      const query = makeQuery(dice, payments)
      await makeView('of entities', query.sql, null)
      const made = await stack.catalog.prisma.featureView.findUniqueOrThrow({
        where: { name: 'of entities' },
      })
      expect(made.ttlSeconds).toBe(60)
      const moment = momentOf(dice)
      const asked = [...Array(users).keys()].map((user) => ({ user, moment }))
      const rows = asked.map(({ user }, nr) => ({ user_id: user, ts: textOf(moment), nr }))
      expect(await make({ rows }, 'of entities')).toEqual(expectedOf(query, asked, 'none'))
    })
  })
}
