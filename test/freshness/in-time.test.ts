// Views in time over tables of PostgreSQL that others write, kept by triggers, by notices and by schedules: what is served is what the rules say of the table, and what a training set holds.

import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { formatMicros, infiniteMicros } from '../../src/values/calendar.ts'
import { createTimedFacts, firstFact, type Served, type TimedView } from '../e2e/timed-facts.ts'
import { createDice } from '../fuzz/promise/dice.ts'
import { createFolder } from '../servers/child.ts'
import { tries } from '../thorough.ts'
import type { Happened } from '../training/histories.ts'
import { startWithPostgres } from './gateway.ts'

const waves = tries({ all: 10, part: 2 })
/** What a notice may say of the rows that have changed. */
const ways = ['since', 'whole', 'keys'] as const
const rowsAWave = 60
const servedMs = 1500
const keys = 12
const lateMs = 20_000

const dice = createDice(Number(process.env.IN_TIME_SEED ?? 20_261_202))
const { below, pick } = dice

let place: Awaited<ReturnType<typeof startWithPostgres>>
let folder: Awaited<ReturnType<typeof createFolder>>

beforeAll(async () => {
  folder = await createFolder('freshness-in-time')
  place = await startWithPostgres('SELECT 1', { ETL_SOURCES: folder.path })
  await place.write(await readFile(new URL('../../docs/postgres-signs.sql', import.meta.url), 'utf8'))
  // What others write is in their own zone.
  await place.write(`ALTER DATABASE postgres SET TimeZone = 'Europe/Berlin'`)
})

afterAll(async () => {
  await place?.close()
  await folder?.remove()
})

const viewsOf = (table: string, more = ''): TimedView[] => [
  { name: `${table}_newest`, indexKeys: ['key'], ttlSeconds: null, etl: false, more },
  { name: `${table}_young`, indexKeys: ['key'], ttlSeconds: 2, etl: false, more },
  { name: `${table}_pairs`, indexKeys: ['key', 'other'], ttlSeconds: null, etl: false, more },
  { name: `${table}_scripted`, indexKeys: ['key'], ttlSeconds: 2, etl: true, more },
]

const literal = (cell: string | number | null) =>
  cell === null ? 'NULL' : typeof cell === 'number' ? String(cell) : `'${cell}'`
const cellsOf = ({ key, other, time, made, value, name }: Happened) => [
  key,
  other,
  time === null ? null : formatMicros(time),
  made === null ? null : formatMicros(made),
  value,
  name,
]
const tuples = (rows: readonly Happened[]) =>
  rows.map((row) => `(${cellsOf(row).map(literal).join(', ')})`).join(', ')

/** A table that others write, with views over it. `made` gives each new row's time of writing. */
async function openTable(table: string, more = '', made = (row: Happened) => row.made) {
  const facts = createTimedFacts({
    table: `sales.${table}`,
    views: viewsOf(table, more),
    dice,
    keys,
    hasInfinity: true,
    spreadMs: servedMs + 1000,
  })
  let rows: Happened[] = [firstFact]
  const { gateway, write } = place
  await write(
    `CREATE TABLE sales.${table} (key bigint, other text COLLATE "C", time timestamptz, made timestamp, value bigint, name text COLLATE "C");
     INSERT INTO sales.${table} VALUES ${tuples(rows)}`,
  )
  let compared = 0
  return {
    facts,
    compared: () => compared,
    async insert(): Promise<Happened[]> {
      const batch = Array.from({ length: rowsAWave }, facts.happen).map((row) => ({
        ...row,
        made: made(row),
      }))
      rows = [...rows, ...batch]
      await write(`INSERT INTO sales.${table} VALUES ${tuples(batch)}`)
      return batch
    },
    /** A correction, a move to another key, and rows that are taken away, in one transaction. */
    async change(): Promise<number[]> {
      const [corrected, moved, to, removed] = [below(keys), below(keys), below(keys), below(keys)]
      rows = rows
        .map((row) =>
          row.key === corrected && row.value !== null ? { ...row, value: row.value + 1000 } : row,
        )
        .map((row) => (row.key === moved && row.other === 'x' ? { ...row, key: to } : row))
        .filter((row) => !(row.key === removed && row.time !== null && row.time < 0n))
      await write(
        `BEGIN; UPDATE sales.${table} SET value = value + 1000 WHERE key = ${corrected};
         UPDATE sales.${table} SET key = ${to} WHERE key = ${moved} AND other = 'x';
         DELETE FROM sales.${table} WHERE key = ${removed} AND time < '1970-01-01T00:00:00Z'; COMMIT`,
      )
      return [corrected, moved, to, removed]
    },
    async compare() {
      const served: Served[] = []
      for (const endMs = Date.now() + servedMs; Date.now() < endMs; )
        served.push(...(await facts.serve(gateway.client)))
      compared += await facts.compareServed(gateway.client, rows, served)
      compared += await facts.comparePast(gateway.client, rows, 2)
    },
  }
}

type Table = Awaited<ReturnType<typeof openTable>>

function report(name: string, { compared }: Table) {
  console.info(`${name}: ${compared()} comparisons`)
  expect(compared()).toBeGreaterThan(waves * 200)
}

test('kept by triggers, from when their notices are taken on', { timeout: 600_000 }, async () => {
  const table = await openTable('signed')
  await place.write(`SELECT gateway.follow('sales.signed', 'key', 'other')`)
  await table.facts.makeViews(place.gateway.client, folder.path)
  for (let wave = 0; wave < waves; wave++) {
    await table.insert()
    if (wave % 2 === 1) await table.change()
    await expect
      .poll(() => place.write('SELECT count(*)::int AS n FROM gateway.table_change'))
      .toEqual([{ n: 0 }])
    await table.compare()
  }
  report('triggers', table)
})

test('kept by tableChanged: whole, by keys, and since a time', { timeout: 600_000 }, async () => {
  let [writtenMs, index] = [Date.now(), 0]
  const table = await openTable(
    'told',
    '',
    () => BigInt(Math.max(writtenMs, Date.now())) * 1000n + BigInt(index++),
  )
  await table.facts.makeViews(place.gateway.client, folder.path)
  await place.gateway.idle()
  const tell = async (more: object) => {
    const { status, body } = await place.gateway.client.rest('POST', '/tables/sales.told/changed', more)
    expect(status, JSON.stringify(body)).toBe(200)
  }
  for (let wave = 0; wave < Math.max(waves, ways.length); wave++) {
    const way = ways[wave % ways.length] ?? 'whole'
    writtenMs = Date.now()
    const batch = await table.insert()
    const changed = way === 'since' ? [] : await table.change()
    const touched = [...changed, ...batch.map(({ key }) => key)].filter((key) => key !== null)
    const pairs = [...new Set(touched)].flatMap((key) => ['x', '1', '23'].map((other) => ({ key, other })))
    await tell({ whole: {}, keys: { keys: pairs }, since: { since: new Date(writtenMs).toISOString() } }[way])
    await table.compare()
  }
  report('tableChanged', table)
})

test('kept by a schedule that asks for what was written since, with late rows and equal times', {
  timeout: 600_000,
}, async () => {
  const table = await openTable('scheduled', `refreshEvery: "5s" lateness: "${lateMs / 1000}s"`, () => {
    const now = BigInt(Date.now()) * 1000n
    return pick([
      now,
      now,
      (now / 1_000_000n) * 1_000_000n,
      now - BigInt(below(lateMs - 12_000)) * 1000n,
      now + 2_000_000n,
      infiniteMicros,
    ])
  })
  await table.insert()
  await table.facts.makeViews(place.gateway.client, folder.path)
  const views = viewsOf('scheduled').map(({ name }) => name)
  const { featureViews } = place.gateway.services.catalog
  const own = async () => (await featureViews.all()).filter(({ name }) => views.includes(name))
  expect((await own()).map(({ refresh }) => refresh)).toEqual(views.map(() => 'BY_KEY'))
  const refreshedAt = async () => Math.min(...(await own()).map((view) => view.refreshedAt?.getTime() ?? 0))
  // What is computed first does not tell up to when.
  await expect
    .poll(async () => (await own()).map(({ createdUntil }) => createdUntil === null), { timeout: 60_000 })
    .toEqual(views.map(() => false))
  const wholeAt = async () => (await own()).map((view) => view.refreshedVersion)
  const whole = await wholeAt()
  for (let wave = 0; wave < waves; wave++) {
    await table.insert()
    const writtenMs = Date.now()
    await expect.poll(refreshedAt, { timeout: 60_000 }).toBeGreaterThan(writtenMs)
    await table.compare()
  }
  expect(await wholeAt()).toEqual(whole)
  report('a schedule', table)
})
