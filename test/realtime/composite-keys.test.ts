// Views by a key of several columns, of different types, over tables of a user's own: refreshed by key, in full, read through and compared.

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataPaths } from '../../src/config/config.ts'
import type { Row } from '../../src/values/columns.ts'
import { createDataFolder } from '../data-folder.ts'
import { writer } from '../limits.ts'
import { startPostgres } from '../servers/postgres.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { openStack, type Stack } from './stack.ts'

const tables = [
  'CREATE TABLE feature_store.flights (origin VARCHAR(9), carrier INTEGER, day DATE, delay INTEGER)',
  'CREATE TABLE feature_store.fares (carrier INTEGER, origin VARCHAR(9), fare INTEGER)',
  'CREATE TABLE feature_store.places (origin VARCHAR(9), city VARCHAR)',
]
const key = ['origin', 'carrier']
const columns = [...key, 'day', 'delay']
const day = '2026-01-31'
/** Keys that joined texts, or one of their columns, would take for others. */
const rows: Row[] = [
  ['1', 23, day, 1],
  ['12', 3, day, 2],
  ['12', 3, day, 3],
  ['12', 23, day, 4],
  ['', 3, day, 5],
  ['a,"b', 3, day, 6],
  ['["1"]', 23, day, 7],
  [null, 23, day, 8],
  ['1', null, day, 9],
]
const counted = `SELECT f.origin, f.carrier, count(*) AS n, sum(f.delay) AS delay, (SELECT max(fare) FROM feature_store.fares p WHERE p.origin = f.origin AND p.carrier = f.carrier) AS fare FROM feature_store.flights f GROUP BY f.origin, f.carrier`

async function onDuckdb(): Promise<Stack> {
  const folder = await createDataFolder('composite-keys')
  const file = dataPaths(folder.path).warehouse
  await mkdir(dirname(file), { recursive: true })
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  for (const sql of ['CREATE SCHEMA feature_store', ...tables]) await connection.run(sql)
  connection.closeSync()
  instance.closeSync()
  return openStack({ folder })
}

const stops: (() => Promise<void>)[] = []

async function onPostgres(): Promise<Stack> {
  const server = await startPostgres()
  stops.push(server.stop)
  await execute(server.url, ['CREATE SCHEMA feature_store', ...tables].join(';\n'))
  return openStack({ warehouseUrl: server.url })
}

describe.each([
  ['DuckDB', onDuckdb],
  ['PostgreSQL', onPostgres],
] as const)('on %s', (_name, open) => {
  let stack: Stack

  beforeAll(async () => {
    stack = await open()
  })

  afterAll(async () => {
    await stack?.remove()
    for (const stop of stops.splice(0)) await stop()
  })

  const everywhere = async (view: Awaited<ReturnType<Stack['view']>>, sql: string, source: string) => {
    const results = await stack.expectTraining(view.target, sql)
    expect(new Set(results.map((result) => result.source))).toEqual(new Set([source]))
    return results
  }

  test('a view of tables that have all its columns is refreshed by key: what a row touches is its tuple', async () => {
    const view = await stack.view('by tuple', counted, key)
    await stack.realtime.idle()
    expect(view.record).toMatchObject({ refresh: 'BY_KEY', indexKeys: key, indexKey: 'origin, carrier' })
    await stack.publish('flights', columns, rows)
    expect(await everywhere(view, counted, 'ONLINE')).toHaveLength(6)
    const asked = ['["1",23]', '["12","3"]', '["12",23]', '["1","3"]']
    const before = await stack.lookUp(view.target, asked)
    expect(before.map(({ status }) => status)).toEqual(['FRESH', 'FRESH', 'FRESH', 'NOT_FOUND'])

    await stack.publish('fares', ['origin', 'carrier', 'fare'], [['12', 3, 70]])
    await stack.publish('flights', columns, [
      ['1', 3, day, 5],
      [null, 3, day, 5],
    ])
    const after = await stack.lookUp(view.target, asked)
    expect(after.map(({ source }) => source)).toEqual(['ONLINE', 'ONLINE', 'ONLINE', 'ONLINE'])
    const moved = after.map(({ asOfMs }, i) => asOfMs !== before[i]?.asOfMs)
    expect(moved).toEqual([false, true, false, true])
    await everywhere(view, counted, 'ONLINE')
    expect(await stack.realtime.parity(view.record.id, 100)).toMatchObject({
      sampled: 7,
      mismatched: 0,
      missing: 0,
      extra: 0,
    })
  })

  test.each([
    [
      'a table without one of the columns',
      `SELECT f.origin, f.carrier, p.city FROM feature_store.flights f JOIN feature_store.places p ON p.origin = f.origin`,
      'feature_store.places has no column carrier',
    ],
    [
      'a window by one of them',
      `SELECT origin, carrier, count(*) OVER (PARTITION BY origin) AS n FROM feature_store.flights`,
      'PARTITION BY carrier',
    ],
    [
      'a group by one of them',
      `SELECT origin, max(carrier) AS carrier, count(*) AS n FROM feature_store.flights GROUP BY origin`,
      'its carrier is not',
    ],
    [
      'columns that have changed places',
      `SELECT CAST(carrier AS VARCHAR) AS origin, carrier FROM feature_store.flights`,
      'its origin is not',
    ],
  ])('%s leaves a view to be refreshed in full, and says why', async (name, sql, reason) => {
    const view = await stack.view(name, sql, key)
    expect(view.record).toMatchObject({ refresh: 'FULL', refreshNote: expect.stringContaining(reason) })
    await stack.publish('places', ['origin', 'city'], [['new', name]])
    await stack.publish('flights', columns, [['new', 1, day, 1]])
    await stack.realtime.idle()
    await everywhere(view, sql, 'ONLINE')
    expect(await stack.realtime.parity(view.record.id, 100)).toMatchObject({
      mismatched: 0,
      missing: 0,
      extra: 0,
    })
  })

  test('a client names columns and values by JSON arrays, in every spelling of the values, and is told what is wrong', async () => {
    const { id: queryId } = await stack.save(counted, 'first use')
    const target = { queryId, etlPath: null, indexKey: ' [ "origin", "carrier" ]' }
    const [first] = await stack.lookUp(target, ['["12",3]'])
    expect(first).toMatchObject({ indexKey: '["origin","carrier"]', indexValue: '["12",3]', status: 'FRESH' })
    const spelled = await stack.lookUp({ ...target, indexKey: '["origin","carrier"]' }, [
      ' [ "12" , "+003" ] ',
    ])
    expect(spelled).toMatchObject([{ source: 'ONLINE', rows: first?.rows }])
    const turned = await stack.lookUp({ ...target, indexKey: '["carrier","origin"]' }, ['[3,"12"]'])
    expect(turned).toMatchObject([{ source: 'WAREHOUSE', status: 'FRESH' }])

    const { load } = stack.realtime.createLoader(writer)
    const wrong = [
      '12',
      '["12"]',
      '["12",3,4]',
      '["12",null]',
      '["12",[3]]',
      '{"origin":"12"}',
      '["12"',
      '["12","x"]',
    ]
    for (const [i, result] of (await load(target, wrong)).entries())
      expect(result, wrong[i]).toMatchObject({
        status: 'FAILED',
        error: { code: 'BAD_USER_INPUT', message: expect.stringMatching(/JSON array|integer/) },
      })
    for (const [indexKey, told] of [
      ['["origin","nothing"]', 'no column "nothing"'],
      ['["origin","origin"]', 'twice'],
      ['[]', 'no column'],
      ['["origin",', 'no column'],
    ] as const)
      await expect(load({ ...target, indexKey }, ['[1,2]'])).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringContaining(told),
      })
  })

  test('a follower of a tuple hears of rows of it, and of no others', async () => {
    const view = await stack.view('followed', `${counted} HAVING count(*) > 0`, key)
    const updates = stack.realtime.updates(view.target, '["far",7]', writer)[Symbol.asyncIterator]()
    expect((await updates.next()).value).toMatchObject({ status: 'NOT_FOUND' })
    const next = updates.next()
    await stack.publish('flights', columns, [
      ['far', 8, day, 1],
      ['near', 7, day, 1],
    ])
    await stack.publish('flights', columns, [['far', 7, day, 9]])
    expect((await next).value).toMatchObject({ status: 'FRESH', rows: expect.stringContaining('9') })
    await updates.return?.()
  })
})

test('a column whose name is the text of a JSON array is that column', async () => {
  const stack = await openStack()
  const { id: queryId } = await stack.save(`SELECT 'x' AS "[""a""]", 'y' AS a`)
  const found = await stack.lookUp({ queryId, etlPath: null, indexKey: '["a"]' }, ['x', 'y'])
  expect(found.map(({ status }) => status)).toEqual(['FRESH', 'NOT_FOUND'])
  await stack.remove()
})
