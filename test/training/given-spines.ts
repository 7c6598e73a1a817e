// Training sets of many rows that come with the request: the warehouse is given their keys and times, and gives what it gives of few.

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Training } from '../../src/training/service.ts'
import type { SpineRequest } from '../../src/training/sets/spine.ts'
import { formatMicros } from '../../src/values/calendar.ts'
import type { Row } from '../../src/values/columns.ts'
import type { ExportRequest, Warehouse } from '../../src/warehouse/port.ts'
import { createDataFolder } from '../data-folder.ts'
import { createDice } from '../fuzz/promise/dice.ts'
import { resolving } from './resolving.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

const firstMicros = BigInt(Date.parse('2026-01-01T00:00:00Z')) * 1000n
const dayMicros = 86_400_000_000n
const part = 900
const views = {
  balances: { table: 'events', columns: 'id, name, ts, value AS balance', keys: ['id', 'name'], time: 'ts' },
  recent: {
    table: 'events',
    columns: 'id, ts, value AS recent',
    keys: ['id'],
    time: 'ts',
    ttl: 3600 * 24 * 3,
  },
  totals: {
    table: 'events',
    columns: 'id, count(*) AS n, sum(value) AS total',
    keys: ['id'],
    time: null,
    behind: 'WHERE ts <= as_of() GROUP BY id',
  },
  people: { table: 'people', columns: 'id, title', keys: ['id'], time: null },
} as const
type View = keyof typeof views

/** `hasLateral`: whether views that call as_of() can be joined at many moments. `most`: rows of a spine. */
export function testGivenSpines(
  name: string,
  start: () => Promise<{ url: string; stop(): Promise<void> }>,
  { hasLateral = true, refusesNul = true, most = 2500 } = {},
): void {
  describe(`A training set of many rows on ${name}`, () => {
    const dice = createDice(20_261_201)
    let server: Awaited<ReturnType<typeof start>>
    let folder: Awaited<ReturnType<typeof createDataFolder>>
    let stack: TrainingStack
    let training: Training
    const asked: ExportRequest[] = []
    const chosen = (Object.keys(views) as View[]).filter((view) => hasLateral || view !== 'totals')

    beforeAll(async () => {
      server = await start()
      folder = await createDataFolder('given-spines')
      stack = await openTrainingStack(folder.path, server.url)
      training = stack.training({ warehouse: noting(stack.warehouse) })
      await makeTables()
      for (const [view, made] of Object.entries(views)) {
        const behind = 'behind' in made ? made.behind : ''
        const sql = `SELECT ${made.columns} FROM feature_store.${made.table} ${behind}`
        const { columns, asksForMoment } = await stack.warehouse.describe(sql)
        const query = await stack.catalog.savedQueries.save({ name: view, sql, columns, asksForMoment })
        await stack.catalog.featureViews.create({
          name: view,
          queryId: query.id,
          etlId: null,
          indexKeys: made.keys,
          timestampColumn: made.time,
          eventTtlSeconds: 'ttl' in made ? made.ttl : null,
          refresh: 'MANUAL',
          tables: [],
        })
      }
    })
    afterAll(async () => {
      await training?.close()
      await stack?.close()
      await folder?.remove()
      await server?.stop()
    })

    const noting = (warehouse: Warehouse): Warehouse => ({
      ...warehouse,
      exportParquet(request) {
        asked.push(request)
        return warehouse.exportParquet(request)
      },
    })

    const timeOf = () =>
      formatMicros(firstMicros + BigInt(dice.below(60)) * dayMicros + BigInt(dice.below(3)))
    const nameOf = () => dice.pick(['a', 'b', '', 'é"\n,', null])

    async function makeTables() {
      const nullable = true
      const id = { name: 'id', type: 'INT64' as const, nullable }
      const events = [
        id,
        { name: 'name', type: 'STRING' as const, nullable },
        { name: 'ts', type: 'TIMESTAMP' as const, nullable },
        { name: 'value', type: 'INT64' as const, nullable },
      ]
      await stack.warehouse.createTable({ name: 'events', columns: events })
      const people = [id, { name: 'title', type: 'STRING' as const, nullable }]
      await stack.warehouse.createTable({ name: 'people', columns: people })
      const rows = Array.from({ length: 4000 }, (_, value) => [dice.below(50), nameOf(), timeOf(), value])
      const tables = [
        { table: 'events', columns: ['id', 'name', 'ts', 'value'], rows },
        {
          table: 'people',
          columns: ['id', 'title'],
          rows: Array.from({ length: 40 }, (_, i) => [i, `title ${i}`]),
        },
      ]
      await stack.warehouse.append({ jobId: randomUUID(), batch: 0, tables })
    }

    async function make(spine: SpineRequest): Promise<readonly Row[]> {
      const references = chosen.map((view) => ({ view, features: null, prefix: null, keys: [] }))
      const { dataset } = await training.createTrainingSet({
        spine,
        resolve: resolving(stack, references),
        name: null,
        timestampColumn: 'event_timestamp',
        knownAsOf: false,
        waitMs: 100_000,
      })
      expect(dataset).toMatchObject({ status: 'SUCCEEDED' })
      return (await training.rows(dataset.id, { offset: 0, limit: 10_000 })).rows
    }

    const spineOf = (count: number) =>
      Array.from({ length: count }, (_, nr) => ({
        'la"bel': dice.pick(['x', '', null, '\0', '"']),
        id: dice.pick([dice.below(55), null]),
        nested: { nr, all: [nr, null] },
        name: nameOf(),
        event_timestamp: dice.pick([timeOf(), null]),
        score: dice.pick([0.1, -0, 1e300, null]),
      }))

    async function compare(rows: ReturnType<typeof spineOf>): Promise<number> {
      const few: Row[] = []
      for (let i = 0; i < rows.length; i += part) few.push(...(await make({ rows: rows.slice(i, i + part) })))
      asked.length = 0
      const many = await make({ rows })
      expect(many).toEqual(few)
      expect(many.some((row) => row.slice(6).every((cell) => cell !== null))).toBe(true)
      return many.length
    }

    test('gives what it gives in parts, by one statement for all, and leaves nothing behind', async () => {
      expect(await compare(spineOf(most))).toBe(most)
      const made = asked.filter(({ sql }) => !sql.includes('HAVING count(*) > 1'))
      expect(made.map(({ given }) => given?.columns.map(({ name: column }) => column))).toEqual([
        ['gateway place', 'id', 'name', 'event_timestamp'],
      ])
      const names = asked.flatMap(({ given }) => given?.name ?? [])
      expect(names.length).toBeGreaterThan(0)
      const listed = (await stack.warehouse.tables()).map((table) => table.name)
      expect(listed.filter((table) => names.includes(table))).toEqual([])
    })

    // Only where the warehouse refuses it is there another way to try.
    if (refusesNul) {
      test('is made of files where the warehouse cannot hold a key', async () => {
        const rows = spineOf(1200).map((row, i) => (i === 700 ? { ...row, name: 'a\0b' } : row))
        expect(await compare(rows)).toBe(1200)
        expect(asked.filter(({ given }) => given === undefined).length).toBeGreaterThan(0)
      })
    }

    test('names a key of a view without a time that has several rows', async () => {
      const tables = [{ table: 'people', columns: ['id', 'title'], rows: [[7, 'another']] }]
      await stack.warehouse.append({ jobId: randomUUID(), batch: 0, tables })
      await expect(make({ rows: spineOf(1200) })).rejects.toThrow(
        /people has no timestamp column.* id 7 has several/,
      )
    })
  })
}
