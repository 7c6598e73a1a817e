// Of a key's rows those alone that are served from a moment on: part of the contract of the warehouse port, held to a plain reading of the rule.

import { describe, expect, test } from 'vitest'
import { formatMicros, parseMicros } from '../../src/values/calendar.ts'
import type { Row, Value } from '../../src/values/columns.ts'
import type { TimelineRequest, Warehouse } from '../../src/warehouse/port.ts'
import { tries } from '../thorough.ts'

interface Happened {
  id: number
  key: readonly [number | null, string]
  time: bigint | null
  made: bigint | null
}

const hour = 3_600_000_000n
const day = 24n * hour
const micros = (text: string) => parseMicros(text) ?? expect.fail(`${text} is no moment`)
/** About moments that are easily taken for others. */
const around = [
  '1969-12-31T23:59:59.999999Z',
  '2026-03-01T00:00:00Z',
  '9999-12-31T00:00:00Z',
  '0001-01-02T00:00:00Z',
].map(micros)

const columnTypes = {
  TIMESTAMP: { step: 1n, sql: (time: bigint) => `TIMESTAMP '${plainText(time)}'` },
  zoned: {
    step: 1000n,
    sql: (time: bigint) => `CAST(TIMESTAMP '${plainText(time)}' AS TIMESTAMP WITH TIME ZONE)`,
  },
  DATE: { step: day, sql: (time: bigint) => `DATE '${plainText(time).slice(0, 10)}'` },
}
type ColumnKind = keyof typeof columnTypes

const plainText = (time: bigint) => formatMicros(time).replace('T', ' ').replace('Z', '')
const floor = (time: bigint, step: bigint) => time - (((time % step) + step) % step)

function createRandom(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function makeHistory(seed: number, kind: ColumnKind) {
  const random = createRandom(seed)
  const { step } = columnTypes[kind]
  const center = around[random(around.length)] ?? 0n
  const near = () => floor(center, step) + BigInt(random(7) - 3) * step
  const happened = Array.from(
    { length: random(40) },
    (_, id): Happened => ({
      id,
      key: [random(8) === 0 ? null : random(3), ['', 'a', 'A', 'é'][random(4)] ?? ''],
      time: random(9) === 0 ? null : near(),
      made: random(4) === 0 ? null : floor(center, 1000n) + BigInt(random(3)) * 1000n,
    }),
  )
  // Between two times of a column too, and a microsecond beside one.
  const moment = near() + ([0n, 0n, 1n, -1n, step / 2n][random(5)] ?? 0n)
  const timeline = {
    timestamp: 'happened',
    created: random(2) === 0 ? null : 'made',
    moment,
    later: 1 + random(3),
  }
  return { happened, timeline }
}

function statementOf(rows: readonly Happened[], kind: ColumnKind): string {
  const { sql } = columnTypes[kind]
  const written = [
    { id: -1, key: [null, ''] as const, time: micros('2026-01-01T00:00:00.000001Z'), made: 0n },
    ...rows,
  ].map(
    ({ id, key: [a, b], time, made }) =>
      `(${id}, ${a ?? 'CAST(NULL AS integer)'}, '${b}', ${time === null ? 'NULL' : sql(time)}, ${made === null ? 'NULL' : columnTypes.TIMESTAMP.sql(made)})`,
  )
  return `SELECT * FROM (VALUES ${written.join(', ')}) t(id, a, b, happened, made)`
}

/** The rule as it is written: the rows of the latest time up to the moment, and of those of the latest created time; and all of the first later times. */
function expectedOf(rows: readonly Happened[], { moment, created, later }: TimelineRequest): number[] {
  const groups = Map.groupBy(
    rows.filter(({ key: [a], time }) => a !== null && time !== null),
    ({ key }) => JSON.stringify(key),
  )
  return [...groups.values()].flatMap((own) => {
    const timed = own.map((row) => ({ ...row, time: row.time ?? 0n }))
    const past = timed.filter(({ time }) => time <= moment)
    const latest = past.filter(({ time }) => past.every((other) => other.time <= time))
    const madeAt = (row: Happened) => row.made ?? -(2n ** 63n)
    const chosen =
      created === null
        ? latest
        : latest.filter((row) => latest.every((other) => madeAt(other) <= madeAt(row)))
    const future = timed.filter(({ time }) => time > moment)
    const times = [...new Set(future.map(({ time }) => time))]
      .sort((x, y) => (x < y ? -1 : 1))
      .slice(0, later)
    return [...chosen, ...future.filter(({ time }) => times.includes(time))].map(({ id }) => id)
  })
}

const idsOf = (rows: readonly Row[]) => rows.map(([id]) => Number(id)).sort((a, b) => a - b)

export function testTimelines(warehouse: () => Warehouse): void {
  const key = ['a', 'b']

  async function scanned(sql: string, timeline: TimelineRequest): Promise<Row[]> {
    const rows: Row[] = []
    for await (const batch of (await warehouse().scan({ sql, key, timeline })).batches) rows.push(...batch)
    return rows
  }

  describe('the rows that are served from a moment on', () => {
    test.for(Object.keys(columnTypes) as ColumnKind[])(
      'MUST be those of the rule, by a column of type %s',
      async (kind) => {
        for (let seed = 1; seed <= tries({ all: 24, part: 8 }); seed++) {
          const { happened, timeline } = makeHistory(seed, kind)
          const sql = statementOf(happened, kind)
          const expected = expectedOf(happened, timeline).sort((a, b) => a - b)
          expect(idsOf(await scanned(sql, timeline)), `seed ${seed}`).toEqual(expected)
          const keys = [...new Set(happened.map((row) => JSON.stringify(row.key)))]
          const asked = keys
            .map((text) => JSON.parse(text) as [number | null, string])
            .filter(([a]) => a !== null)
          for (const values of [asked as [number, string][], asked.slice(0, 1) as [number, string][]]) {
            const { rows } = await warehouse().lookup({ sql, key, values, timeline })
            const among = new Set(values.map((each) => JSON.stringify(each)))
            const isAsked = (id: number) =>
              happened.some((row) => row.id === id && among.has(JSON.stringify(row.key)))
            expect(idsOf(rows), `seed ${seed}, ${values.length} keys`).toEqual(expected.filter(isAsked))
          }
        }
      },
    )

    test('MUST be told by columns of times alone', async () => {
      const timeline = { timestamp: 'b', created: null, moment: 0n, later: 1 }
      const sql = `SELECT 1 AS a, 'x' AS b`
      await expect(warehouse().lookup({ sql, key: ['a'], values: [[1]], timeline })).rejects.toThrow(
        'The column b, of type TIMESTAMP or DATE, is STRING',
      )
    })

    test('MUST go on behind a key with the same rows', async () => {
      const rows = Array.from({ length: 30 }, (_, id): Happened => {
        const time = micros('2026-03-01T00:00:00Z') + BigInt(id % 5) * day
        return { id, key: [id % 3, 'x'], time, made: null }
      })
      const timeline = {
        timestamp: 'happened',
        created: null,
        moment: micros('2026-03-03T00:00:00Z'),
        later: 1,
      }
      const sql = statementOf(rows, 'TIMESTAMP')
      const after: Value[] = []
      const seen: number[] = []
      for await (const batch of (await warehouse().scan({ sql, key, after: [0, 'x'], timeline })).batches) {
        seen.push(...idsOf(batch))
        after.push(...batch.map(([, a]) => a ?? null))
      }
      const expected = expectedOf(rows, timeline).filter((id) => id % 3 > 0)
      expect(seen.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b))
      expect(after).toEqual(after.toSorted((a, b) => Number(a) - Number(b)))
    })
  })
}
