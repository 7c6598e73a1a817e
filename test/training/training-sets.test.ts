// Training sets on the real engines: spines of every kind, views with and without a time, ETLs between, and what is refused.

import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FeatureReference } from '../../src/features/references.ts'
import type { Training } from '../../src/training/service.ts'
import type { AskedService } from '../../src/training/sets/sets.ts'
import type { SpineRequest } from '../../src/training/sets/spine.ts'
import { createDataFolder } from '../data-folder.ts'
import { resolving } from './resolving.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

let folder: Awaited<ReturnType<typeof createDataFolder>>
let stack: TrainingStack
let training: Training

beforeAll(async () => {
  folder = await createDataFolder('training-sets')
  stack = await openTrainingStack(folder.path)
  training = stack.training()
}, 180_000)
afterAll(async () => {
  await training?.close()
  await stack?.close()
  await folder?.remove()
})

const at = (day: number) => `2024-01-0${day}T00:00:00Z`
const rates = `SELECT * FROM (VALUES
  (1, TIMESTAMP '2024-01-01', 0.5, 'a'), (1, TIMESTAMP '2024-01-03', 0.25, 'b'), (2, TIMESTAMP '2024-01-02', 0.75, 'c')
) t(driver_id, happened, rate, note); -- all`

interface NewView {
  name: string
  sql: string
  indexKeys: readonly string[]
  timestampColumn?: string
  etl?: string
}

async function makeView({ name, sql, indexKeys, timestampColumn, etl }: NewView): Promise<void> {
  const { query } = await training.queryTrain({ sql, name, save: true, waitMs: 30_000 })
  const queryId = query?.id ?? ''
  let etlId: string | null = null
  if (etl !== undefined) {
    const path = join(stack.etlFolder, `${name}.${etl.startsWith('SELECT') ? 'sql' : 'js'}`)
    await writeFile(path, etl)
    const extracted = await training.extractTrain({
      queryId,
      etlPath: `file:${path}`,
      save: true,
      waitMs: 30_000,
    })
    etlId = extracted.etl?.id ?? null
  }
  const view = await stack.catalog.featureViews.create({
    name,
    queryId,
    etlId,
    indexKeys,
    refresh: 'MANUAL',
    tables: [],
  })
  await stack.catalog.prisma.featureView.update({
    where: { id: view.id },
    data: { timestampColumn: timestampColumn ?? null },
  })
}

const reference = (view: string, further: Partial<FeatureReference> = {}): FeatureReference => ({
  view,
  features: null,
  prefix: null,
  keys: [],
  ...further,
})

async function make(
  spine: SpineRequest,
  features: readonly FeatureReference[],
  {
    service = null,
    ...options
  }: { timestampColumn?: string; knownAsOf?: boolean; service?: AskedService | null } = {},
) {
  const { dataset, notPointInTime } = await training.createTrainingSet({
    spine,
    resolve: resolving(stack, features, service),
    name: null,
    timestampColumn: 'event_timestamp',
    knownAsOf: false,
    waitMs: 60_000,
    ...options,
  })
  const { rows } = await training.rows(dataset.id, { offset: 0, limit: 100 })
  return { dataset, notPointInTime, rows, names: dataset.columns.map(({ name }) => name) }
}

const spineRows = [
  { driver_id: 1, event_timestamp: at(2), label: 'x' },
  { driver_id: 2, event_timestamp: at(1), label: 'y' },
  { driver_id: 1, event_timestamp: at(4), label: 'z' },
  { driver_id: null, event_timestamp: at(4), label: 'z' },
  { driver_id: 1, event_timestamp: at(4), label: 'z' },
]
const spineSql = `SELECT driver_id, CAST(happened AS TIMESTAMP) AS event_timestamp, label FROM (VALUES
  (1, '2024-01-02', 'x', 0), (2, '2024-01-01', 'y', 1), (1, '2024-01-04', 'z', 2), (NULL, '2024-01-04', 'z', 3), (1, '2024-01-04', 'z', 4)
) t(driver_id, happened, label, nr) ORDER BY nr`
const expected = [
  [1, at(2), 'x', 0.5, 'a'],
  [2, at(1), 'y', null, null],
  [1, at(4), 'z', 0.25, 'b'],
  [null, at(4), 'z', null, null],
  [1, at(4), 'z', 0.25, 'b'],
]

async function filesOf(datasetId: string): Promise<string[]> {
  const names = await Promise.all([readdir(stack.datasetsFolder), readdir(stack.temporaryFolder)])
  return names.flat().filter((name) => name.includes(datasetId) || name.startsWith('spine-'))
}

describe('A training set', () => {
  beforeAll(async () => {
    const own = { indexKeys: ['driver_id'], timestampColumn: 'happened' }
    await makeView({ name: 'rates', sql: rates, ...own })
    await makeView({
      name: 'rates by SQL',
      sql: rates.replace('; -- all', ' WHERE true'),
      etl: 'SELECT * FROM input',
      ...own,
    })
    await makeView({
      name: 'rates by row',
      sql: rates.replace('; -- all', ' WHERE 1 = 1'),
      etl: 'export function transform(row) { return row }\nexport const columns = { happened: "TIMESTAMP" }',
      ...own,
    })
    await makeView({
      name: 'rates of all',
      sql: rates.replace('; -- all', ' WHERE 2 = 2'),
      etl: 'export function extract(rows) { return rows }\nexport const columns = { happened: "TIMESTAMP" }',
      ...own,
    })
    const names = "SELECT * FROM (VALUES (1, 'Ada'), (3, 'Bob')) t(driver_id, driver)"
    await makeView({ name: 'names', sql: names, indexKeys: ['driver_id'] })
    const twice =
      "SELECT * FROM (VALUES (1, 'Ada'), (2, 'Bob'), (2, 'Eve'), (7, 'Max'), (7, 'Zoe')) t(driver_id, who)"
    await makeView({ name: 'twice', sql: twice, indexKeys: ['driver_id'] })
  })

  const views = ['rates', 'rates by SQL', 'rates by row', 'rates of all']
  const spines: Record<string, () => Promise<SpineRequest>> = {
    sql: async () => ({ sql: spineSql }),
    'a saved query': async () => {
      const { query } = await training.queryTrain({
        sql: spineSql,
        name: 'labels',
        save: true,
        waitMs: 30_000,
      })
      return { queryId: query?.id }
    },
    'a dataset': async () => {
      const { dataset } = await training.queryTrain({ sql: spineSql, name: 'x', save: false, waitMs: 30_000 })
      return { datasetId: dataset.id }
    },
    rows: async () => ({ rows: spineRows }),
  }
  const cases = Object.keys(spines).flatMap((spine) => views.map((view) => ({ spine, view })))

  test.each(cases)('of $spine and the view $view has a row for each of the spine, in order', async (each) => {
    const spine = (await spines[each.spine]?.()) ?? {}
    const { rows, names, dataset, notPointInTime } = await make(spine, [reference(each.view)])
    expect(names).toEqual(['driver_id', 'event_timestamp', 'label', 'rate', 'note'])
    expect(rows).toEqual(expected)
    expect(notPointInTime).toEqual([])
    expect(await filesOf(dataset.id)).toEqual([`${dataset.id}.parquet`])
    const again = await training.remake(dataset.id, { waitMs: 60_000 })
    expect((await training.rows(again.dataset.id, { offset: 0, limit: 100 })).rows).toEqual(expected)
  })

  test('takes a view twice, with mapped keys and prefixes, beside one without a time', async () => {
    const sql = `SELECT 1 AS home, 2 AS away, TIMESTAMP '2024-01-05' AS event_timestamp, 3 AS driver_id`
    const { rows, names, notPointInTime } = await make({ sql }, [
      reference('rates', {
        features: ['rate'],
        prefix: 'home_',
        keys: [{ key: 'driver_id', column: 'home' }],
      }),
      reference('rates by row', {
        features: ['rate'],
        prefix: 'away_',
        keys: [{ key: 'driver_id', column: 'away' }],
      }),
      reference('names'),
    ])
    expect(names).toEqual([
      'home',
      'away',
      'event_timestamp',
      'driver_id',
      'home_rate',
      'away_rate',
      'driver',
    ])
    expect(rows).toEqual([[1, 2, at(5), 3, 0.25, 0.75, 'Bob']])
    expect(notPointInTime).toEqual(['names'])
  })

  test.each(['sql', 'rows'])(
    'of %s takes a view three hundred times under as many prefixes',
    async (kind) => {
      const spine = (await spines[kind]?.()) ?? {}
      const prefixes = Array.from({ length: 300 }, (_, i) => `a_rather_long_prefix_of_the_number_${i}_`)
      const many = prefixes.map((prefix) => reference('rates', { features: ['rate'], prefix }))
      const { rows, names } = await make(spine, many)
      expect(names.slice(3)).toEqual(prefixes.map((prefix) => `${prefix}rate`))
      expect(rows.map((row) => row.slice(3))).toEqual(expected.map((row) => prefixes.map(() => row[3])))
    },
  )

  test.each([
    ['sql', 0],
    ['rows', 0],
    ['rows', 299],
  ] as const)(
    'of %s and a view without a time that has several rows a key names one, behind %d others',
    async (kind, others) => {
      const spine = (await spines[kind]?.()) ?? {}
      const before = Array.from({ length: others }, (_, i) =>
        reference('rates', { features: ['rate'], prefix: `a_rather_long_prefix_of_the_number_${i}_` }),
      )
      const making = make(spine, [...before, reference('twice')])
      await expect(making).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringMatching(/twice has no timestamp column.*driver_id 2 has several/),
      })
    },
  )

  test.each([
    [
      'a key that is missing',
      { sql: "SELECT TIMESTAMP '2024-01-01' AS event_timestamp" },
      /no column "driver_id"/,
    ],
    [
      'a key of another type',
      { sql: "SELECT 'x' AS driver_id, TIMESTAMP '2024-01-01' AS event_timestamp" },
      /"driver_id" is STRING, and the index key driver_id of the feature view rates is INT32/,
    ],
    ['no time', { sql: 'SELECT 1 AS driver_id' }, /no column "event_timestamp"/],
    [
      'a time that is none',
      { sql: "SELECT 1 AS driver_id, 'x' AS event_timestamp" },
      /must be TIMESTAMP or DATE/,
    ],
    [
      'a column of a feature’s name',
      { sql: "SELECT 1 AS driver_id, TIMESTAMP '2024-01-01' AS event_timestamp, 1 AS RATE" },
      /Two columns would be named "rate"/,
    ],
    ['rows that are none', { rows: [1] }, /JSON array of objects/],
    [
      'a row whose key does not fit',
      {
        rows: [
          { driver_id: 1, event_timestamp: at(1) },
          { driver_id: 'x', event_timestamp: at(1) },
        ],
      },
      /Row 1 of the spine has .*"driver_id"/,
    ],
    [
      'rows whose time is none',
      { rows: [{ driver_id: 1, event_timestamp: 'noon' }] },
      /Row 0 .*"event_timestamp"/,
    ],
    ['two spines', { sql: 'SELECT 1', rows: [] }, /2 of them are given/],
    ['SQL that is none', { sql: 'DELETE FROM x' }, /SELECT/],
  ] satisfies [string, SpineRequest, RegExp][])(
    'is refused at once for a spine with %s',
    async (_, spine, message) => {
      const before = await stack.catalog.prisma.dataset.count()
      await expect(make(spine, [reference('rates')])).rejects.toMatchObject({
        message: expect.stringMatching(message),
      })
      expect(await stack.catalog.prisma.dataset.count()).toBe(before)
      expect(await filesOf('no dataset')).toEqual([])
    },
  )

  test('reads times without a zone as UTC, and days as their first moment', async () => {
    const rows = [
      '2024-01-03',
      '2024-01-03T00:00:00',
      '2024-01-02T23:59:59.999999Z',
      '2024-01-03T02:00:00+02:00',
    ]
    const made = await make({ rows: rows.map((event_timestamp) => ({ driver_id: 1, event_timestamp })) }, [
      reference('rates', { features: ['rate'] }),
    ])
    expect(made.rows.map((row) => row[2])).toEqual([0.25, 0.25, 0.5, 0.25])
  })

  test.each([
    ['is made by the gateway that is started next, of the rows that came with the request', true],
    ['says where these are to be, where that gateway does not reach them', false],
  ])('that is handed back %s', async (_, isReachable) => {
    const first = stack.training({ concurrency: 1 })
    await first.start()
    const endless =
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT max(i) AS i FROM n'
    const blocking = await first.queryTrain({ sql: endless, name: 'x', save: false, waitMs: 0 })
    const request = {
      spine: { rows: spineRows },
      resolve: resolving(stack, [reference('rates')]),
      name: null,
      timestampColumn: 'event_timestamp',
      knownAsOf: false,
      waitMs: 0,
    }
    const { dataset } = await first.createTrainingSet(request)
    if (!isReachable) await rm(join(stack.datasetsFolder, `${dataset.id}.spine.parquet`))
    await first.cancel(blocking.dataset.id)
    await first.close()
    const ended = (await Array.fromAsync(training.progress(dataset.id))).at(-1)
    if (!isReachable)
      return expect(ended).toMatchObject({
        status: 'FAILED',
        errorCode: 'NOT_FOUND',
        error: expect.stringMatching(/rows of the spine .*DATASETS_DIR/),
      })
    expect(ended).toMatchObject({ status: 'SUCCEEDED' })
    expect((await training.rows(dataset.id, { offset: 0, limit: 100 })).rows).toEqual(expected)
  })

  describe('of a query that asks for a moment', () => {
    const payments = `SELECT * FROM (VALUES (1, TIMESTAMP '2026-03-01 12:00:00', 10), (1, TIMESTAMP '2026-03-04 12:00:00', 20),
      (1, TIMESTAMP '2026-03-04 12:00:00', 5), (1, TIMESTAMP '2026-03-11 12:00:00', 40)) t(user_id, ts, amount)`
    const sql = `SELECT user_id, count(*) FILTER (WHERE ts > as_of() - INTERVAL 7 DAY) AS n,
      CAST(sum(amount) FILTER (WHERE ts > as_of() - INTERVAL 7 DAY) AS INTEGER) AS total
      FROM (${payments}) p WHERE ts <= as_of() GROUP BY user_id`
    const moments = [
      ['2026-03-04T12:00:00Z', 3, 35],
      ['2026-03-04T11:59:59.999999Z', 1, 10],
      ['2026-03-08T12:00:00Z', 2, 25],
      ['2026-03-11T12:00:00Z', 1, 40],
      ['2026-03-18T12:00:00Z', 0, null],
      ['2026-03-01T11:59:59Z', null, null],
      [null, null, null],
    ] as const

    async function makeAsked(name: string): Promise<string> {
      const { columns, asksForMoment } = await stack.warehouse.describe(sql)
      return (await stack.catalog.savedQueries.save({ name, sql, columns, asksForMoment })).id
    }

    const asked = moments.map(([event_timestamp]) => ({ user_id: 1, event_timestamp }))
    const asSql = `SELECT 1 AS user_id, CAST(t AS TIMESTAMP) AS event_timestamp FROM (VALUES ${moments
      .map(([moment], i) => `(${i}, ${moment === null ? 'NULL' : `'${moment.slice(0, -1)}'`})`)
      .join(', ')}) v(i, t) ORDER BY i`

    test.each([
      ['sql', { sql: asSql }],
      ['rows', { rows: asked }],
    ] satisfies [string, SpineRequest][])(
      'a set of %s holds what it gives as of each row’s own',
      async (kind, spine) => {
        const queryId = await makeAsked(`payments ${kind}`)
        await stack.catalog.featureViews.create({
          name: `payments ${kind}`,
          queryId,
          etlId: null,
          indexKeys: ['user_id'],
          refresh: 'MANUAL',
          tables: [],
        })
        const made = await make(spine, [reference(`payments ${kind}`)])
        expect(made.rows.map((row) => row.slice(2))).toEqual(moments.map(([, n, total]) => [n, total]))
        expect(made.notPointInTime).toEqual([])
      },
    )
  })

  test.each([
    [
      'row by row',
      'export function transform({ rate, amount }) { return { cost: rate === null ? null : rate * amount } }',
    ],
    [
      'all at once',
      'export function extract(rows) { return rows.filter(({ rate }) => rate !== null).map(({ rate, amount }) => ({ cost: rate * amount })) }',
    ],
    ['by SQL', 'SELECT CAST(rate * amount AS DOUBLE) AS cost FROM input WHERE rate IS NOT NULL'],
  ])('of a service goes through its ETL, which works %s, and the spine passes by', async (how, source) => {
    const path = join(stack.etlFolder, `${how}.${source.startsWith('SELECT') ? 'sql' : 'js'}`)
    await writeFile(path, source)
    const { id } = await stack.etlService.resolve(`file:${path}`)
    const own = { nullable: false } as const
    const service = {
      id: 'svc_x',
      name: 'costs',
      version: 1,
      etl: await stack.catalog.etls.byId(id ?? ''),
      indexKeys: [{ name: 'driver_id', type: 'INT32', storage: 'INTEGER', ...own }],
      requestColumns: [{ name: 'amount', type: 'FLOAT64', storage: 'DOUBLE', ...own }],
      columns: [{ name: 'cost', type: 'FLOAT64', storage: 'DOUBLE', nullable: true }],
    } satisfies AskedService
    const spine = { rows: spineRows.map((row, i) => ({ ...row, amount: i + 1, rate: 'the spine’s own' })) }
    const made = await make(spine, [reference('rates', { features: ['rate'] })], { service })
    expect(made.names).toEqual(['driver_id', 'event_timestamp', 'label', 'amount', 'rate', 'cost'])
    expect(made.rows.map((row) => row.at(-1))).toEqual([0.5, null, 0.75, null, 1.25])
    expect(made.rows.map((row) => row[2])).toEqual(['x', 'y', 'z', 'z', 'z'])
  })

  test('gives features as of a moment, as onlineFeatures asks for them', async () => {
    const { references } = await resolving(stack, [reference('rates'), reference('names')])({
      taken: new Map(),
    })
    const columns = [{ name: 'driver_id', type: 'INT32', storage: 'INTEGER', nullable: true }] as const
    const before = await readdir(stack.temporaryFolder)
    const { columns: given, rows } = await training.features({
      references,
      entities: { columns, rows: [[1], [2], [3], [1]] },
      moment: BigInt(Date.parse(at(2))) * 1000n,
      signal: AbortSignal.timeout(60_000),
    })
    expect(given.map(({ name }) => name)).toEqual(['rate', 'note', 'driver'])
    expect(rows).toEqual([
      [0.5, 'a', 'Ada'],
      [0.75, 'c', null],
      [null, null, 'Bob'],
      [0.5, 'a', 'Ada'],
    ])
    expect(await readdir(stack.temporaryFolder)).toEqual(before)
  })
})
