// What every warehouse gives as a training set, held against the rules of features in time: random histories and spines, and worked examples.

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import { formatMicros } from '../../src/values/calendar.ts'
import type { Column, ColumnType, Row, Value } from '../../src/values/columns.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import type { TrainingSet } from '../../src/warehouse/training-set.ts'
import { createDice, type Dice } from '../fuzz/promise/dice.ts'
import { tries } from '../thorough.ts'
import {
  type Asked,
  byDays,
  type Happened,
  type History,
  makeHistory,
  makeShape,
  type Shape,
} from '../training/histories.ts'
import { featuresAsOf } from '../training/plain-reference.ts'
import { asOfExamples, statementsOf } from './as-of-examples.ts'

export interface TrainingSetsSubject {
  open(): Promise<Warehouse>
  remove(): Promise<void>
  datasetsFolder: string
}

type Cells = Record<string, readonly [type: ColumnType, storage?: string]>

const plain = ['TIMESTAMP'] as const
const zoned = ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE'] as const
const day = ['DATE'] as const
/** The types of times: of the view, of when its rows were made, of the spine. */
const kinds = {
  plain: { time: plain, made: plain, asked: zoned },
  zoned: { time: zoned, made: plain, asked: plain },
  zoned_both: { time: zoned, made: zoned, asked: zoned },
  days: { time: day, made: day, asked: plain },
  asked_by_day: { time: zoned, made: plain, asked: day },
} as const
type Kind = keyof typeof kinds
const kindNames = Object.keys(kinds) as Kind[]

const rowCells = (kind: Kind): Cells => ({
  episode: ['INT64'],
  'key one': ['INT64'],
  select: ['STRING'],
  'ts µs': kinds[kind].time,
  made: kinds[kind].made,
  value: ['INT64'],
  näme: ['STRING'],
})
const spineCells = (kind: Kind): Cells => ({
  episode: ['INT64'],
  nr: ['INT64'],
  'key one': ['INT32'],
  select: ['STRING'],
  'asked at': kinds[kind].asked,
  'la"bel': ['STRING'],
})

/** Histories of one shape that one statement asks about: a statement costs more than its rows. */
interface Episode {
  kind: Kind
  histories: readonly History[]
}

function makeEpisode(dice: Dice): Episode {
  const kind = dice.pick(kindNames)
  const shape = makeShape(dice)
  // Few rows too: an engine may take another way for them.
  const length = dice.pick([1, 1, 8])
  const histories = Array.from({ length }, () => makeHistory(dice, shape))
  if (kind === 'days') return { kind, histories: histories.map((history) => byDays(history, 'rows')) }
  if (kind === 'asked_by_day')
    return { kind, histories: histories.map((history) => byDays(history, 'spine')) }
  return { kind, histories }
}

/** Entities of one history are none of another's. */
const keyOf = (history: number, key: number | null) => (key === null ? null : 100 * history + key)

const cellOf = ([type]: Cells[string], micros: bigint | null): Value => {
  if (micros === null) return null
  const text = formatMicros(micros)
  return type === 'DATE' ? text.slice(0, text.indexOf('T')) : text
}
const rowOf = (
  kind: Kind,
  episode: number,
  history: number,
  { key, other, time, made, value, name }: Happened,
): Row => [
  episode,
  keyOf(history, key),
  other,
  cellOf(kinds[kind].time, time),
  cellOf(kinds[kind].made, made),
  value,
  name,
]
interface AskedOf {
  history: number
  asked: Asked
}

const askedOf = ({ histories }: Episode): AskedOf[] =>
  histories.flatMap(({ spine }, history) => spine.map((asked) => ({ history, asked })))

const spineOf = (
  kind: Kind,
  episode: number,
  nr: number,
  { history, asked: { key, other, time, label } }: AskedOf,
): Row => [episode, nr, keyOf(history, key), other, cellOf(kinds[kind].asked, time), label]

export function testTrainingSets(
  name: string,
  start: () => Promise<TrainingSetsSubject>,
  episodes = tries({ all: 100, part: 16 }),
): void {
  describe(`${name}'s training sets`, () => {
    let subject: TrainingSetsSubject
    let warehouse: Warehouse
    let engine: ParquetEngine
    let generated: readonly Episode[]

    async function make(table: string, cells: Cells, rows: readonly Row[]) {
      const columns = Object.entries(cells).map(([column, [type, storage]]) => ({
        name: column,
        type,
        nullable: true,
        ...(storage !== undefined && { storage }),
      }))
      await warehouse.createTable({ name: table, columns })
      const tables = [{ table, columns: Object.keys(cells), rows }]
      await warehouse.append({ jobId: randomUUID(), batch: 0, tables })
    }

    beforeAll(async () => {
      subject = await start()
      warehouse = await subject.open()
      const { datasetsFolder } = subject
      const temporaryFolder = join(datasetsFolder, 'tmp')
      engine = await createParquetEngine({ folders: [datasetsFolder], memoryMb: 256, temporaryFolder })
      const dice = createDice(20_261_130)
      generated = Array.from({ length: episodes }, () => makeEpisode(dice))
      for (const kind of kindNames) {
        const own = [...generated.entries()].filter(([, each]) => each.kind === kind)
        const rows = own.flatMap(([i, { histories }]) =>
          histories.flatMap((history, h) => history.rows.map((row) => rowOf(kind, i, h, row))),
        )
        await make(`rows_${kind}`, rowCells(kind), rows)
        const spine = own.flatMap(([i, each]) =>
          askedOf(each).map((asked, nr) => spineOf(kind, i, nr, asked)),
        )
        await make(`spine_${kind}`, spineCells(kind), spine)
      }
    })

    afterAll(async () => {
      await engine?.close()
      await warehouse?.close()
      await subject?.remove()
    })

    async function relation(sql: string) {
      const { columns } = await warehouse.describe(sql)
      const column = (wanted: string): Column => {
        const found = columns.find((each) => each.name === wanted)
        if (found === undefined)
          throw new Error(`${wanted} is none of ${columns.map((each) => each.name).join(', ')}`)
        return found
      }
      return { sql, columns, column }
    }

    /** By each of the statements that the warehouse has for it. */
    async function run(set: TrainingSet): Promise<(readonly Row[])[]> {
      const found: (readonly Row[])[] = []
      for (const sql of warehouse.composeTrainingSet(set) ?? []) {
        const path = join(subject.datasetsFolder, `${randomUUID()}.parquet`)
        const { columns } = await warehouse.exportParquet({ sql, path })
        found.push((await engine.read(path, { columns })).rows)
      }
      return found
    }

    async function setOf(episode: number, kind: Kind, shape: Shape): Promise<TrainingSet> {
      const view = await relation(
        `SELECT "key one", "select", "ts µs", made, value, "näme" FROM feature_store.rows_${kind} WHERE episode = ${episode}`,
      )
      const spine = await relation(
        `SELECT nr, "key one", "select", "asked at", "la""bel" FROM feature_store.spine_${kind} WHERE episode = ${episode} ORDER BY nr`,
      )
      const names = shape.isComposite ? ['key one', 'select'] : ['key one']
      const reference = {
        sql: view.sql,
        columns: view.columns,
        keys: names.map((key) => ({ key: view.column(key), column: spine.column(key) })),
        timestamp: view.column('ts µs'),
        created: shape.hasCreated ? view.column('made') : null,
        eventTtlSeconds: shape.ttlSeconds,
        isExact: true,
        asking: null,
      }
      return {
        spine,
        timestamp: spine.column('asked at'),
        knownAsOf: shape.knownAsOf,
        references: [
          { ...reference, features: [{ column: view.column('value'), name: 'value' }] },
          {
            ...reference,
            eventTtlSeconds: null,
            features: [{ column: view.column('näme'), name: 'last näme' }],
          },
        ],
      }
    }

    function expectedOf(each: Episode): Row[] {
      return askedOf(each).map(({ history: h, asked }, nr) => {
        const history = each.histories[h]
        const within = history && featuresAsOf(history, asked, history.ttlSeconds)
        const ever = history && featuresAsOf(history, asked, null)
        return [
          nr,
          keyOf(h, asked.key),
          asked.other,
          cellOf(kinds[each.kind].asked, asked.time),
          asked.label,
          within?.value ?? null,
          ever?.name ?? null,
        ]
      })
    }

    test(`are as the rules say over ${episodes} episodes of random histories`, async () => {
      let compared = 0
      for (const [episode, each] of generated.entries()) {
        const {
          kind,
          histories: [shape],
        } = each
        if (shape === undefined) continue
        const expected = expectedOf(each)
        for (const [way, rows] of (await run(await setOf(episode, kind, shape))).entries()) {
          expect(
            rows,
            `episode ${episode}, way ${way}: ${JSON.stringify(each, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`,
          ).toEqual(expected)
          compared += rows.length
        }
      }
      expect(compared).toBeGreaterThan(20 * episodes)
    }, 900_000)

    test('join a view without a time by its key, and fail where one that is asked for has several rows', async () => {
      const view = await relation("SELECT k, v FROM (VALUES (1, 'a'), (2, 'b'), (7, 'c'), (7, 'd')) t(k, v)")
      const setOver = async (keys: readonly string[]): Promise<TrainingSet> => {
        const rows = keys.map((key, nr) => `(${nr}, ${key})`).join(', ')
        const spine = await relation(
          `SELECT nr, k FROM (VALUES ${rows}, (${keys.length}, NULL)) t(nr, k) ORDER BY nr`,
        )
        const keyed = { keys: [{ key: view.column('k'), column: spine.column('k') }], timestamp: null }
        const rest = { created: null, eventTtlSeconds: null, isExact: true, asking: null }
        const features = [{ column: view.column('v'), name: 'v' }]
        return {
          spine,
          timestamp: null,
          knownAsOf: false,
          references: [{ ...view, ...keyed, ...rest, features }],
        }
      }
      for (const rows of await run(await setOver(['2', '1', '2', '9'])))
        expect(rows.map((row) => row.at(-1))).toEqual(['b', 'a', 'b', null, null])
      await expect(run(await setOver(['1', '7']))).rejects.toThrow(/several rows of reference 0: k 7/)
    })

    test.each(asOfExamples)('$name', async (example) => {
      const statements = statementsOf(example)
      const [spine, view] = [await relation(statements.spine), await relation(statements.rows)]
      const amount = { column: view.column('amount'), name: 'amount' }
      const set: TrainingSet = {
        spine,
        timestamp: spine.column('event_timestamp'),
        knownAsOf: example.knownAsOf ?? false,
        references: [
          {
            ...view,
            keys: [{ key: view.column('entity'), column: spine.column('entity') }],
            timestamp: view.column('happened'),
            created: view.column('created'),
            eventTtlSeconds: example.eventTtlSeconds ?? null,
            isExact: true,
            asking: null,
            features: [amount],
          },
        ],
      }
      for (const rows of await run(set)) expect(rows.map((row) => row[2])).toEqual(example.expected)
    })
  })
}
