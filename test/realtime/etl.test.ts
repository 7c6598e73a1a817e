// Views with an ETL: what is online is the ETL's output, value by value, equal to training's.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStack, type Stack, sortedRows } from './stack.ts'

const sql = 'SELECT user_id, name, creation_date FROM feature_store.users'
const columns = ['user_id', 'name', 'creation_date']
const sources = {
  'row.ts': `export function transform(row: { user_id: string; name: string | null; creation_date: number }) {
    if (row.name === 'skip') return null
    return { user_id: row.user_id, letters: row.name?.length ?? 0, half: row.creation_date / 2 }
  }`,
  'frame.js': `export function extract(rows) {
    const users = Map.groupBy(rows, (row) => row.user_id)
    return [...users].map(([user_id, own]) => ({ user_id, names: own.map((row) => row.name).sort() }))
  }`,
  'group.sql': 'SELECT user_id, count(*) AS n, max(creation_date) AS newest FROM input GROUP BY user_id',
  'no-key.sql': 'SELECT count(*) AS n FROM input',
  'row-no-key.js': 'export function transform(row) { return { doubled: row.creation_date * 2 } }',
  'nulls.js': `export function transform({ user_id, name, creation_date: date }) {
    return { user_id, letters: name?.length ?? 0, half: date === null ? null : date / 2 }
  }`,
  'nulls.sql':
    'SELECT user_id, length(name) AS letters, creation_date / 2 AS half FROM input WHERE name IS NOT NULL',
  'changing.js':
    'export function transform({ user_id, creation_date }) { return { user_id, half: creation_date / 2 } }',
  'mixing.sql': 'SELECT user_id, creation_date - avg(creation_date) OVER () AS above FROM input',
  'failing.js': `export function transform(row) {
    if (row.name === 'bad') throw new Error('cannot work with bad')
    return { user_id: row.user_id, name: row.name }
  }`,
}
const outputTypes = {
  user_id: ['STRING', 'VARCHAR'],
  letters: ['INT64', 'BIGINT'],
  half: ['FLOAT64', 'DOUBLE'],
} as const
let stack: Stack

beforeAll(async () => {
  stack = await openStack()
  await stack.append('users', columns, [
    ...Array.from({ length: 30 }, (_, i) => [`u${i % 10}`, i % 7 === 0 ? null : `name ${i}`, i + 0.25]),
    ['skipped', 'skip', 1],
  ])
})

afterAll(() => stack?.remove())

async function viewWith(file: keyof typeof sources) {
  const etlPath = await stack.writeEtl(file, sources[file])
  const { id: queryId } = await stack.save(sql)
  const target = { queryId, etlPath, indexKey: 'user_id' }
  const first = await stack.load(target, ['u1', 'skipped', 'nobody'])
  const { id: etlId } = await stack.etlService.resolve(etlPath)
  const view = await stack.catalog.featureViews.find({ queryId, etlId, indexKeys: ['user_id'] })
  if (view === null || etlId === null) throw new Error('no view was made')
  return { target, view, etlId, first }
}

test.each(['row.ts', 'frame.js', 'group.sql'] as const)(
  'the output of %s is served online, follows publishes, and equals training',
  async (file) => {
    const { target, view, first } = await viewWith(file)
    expect(first[0]).toMatchObject({ status: 'FRESH', source: 'WAREHOUSE' })
    expect(first[2]).toMatchObject({ status: 'NOT_FOUND', rows: '[]' })
    await stack.publish('users', columns, [
      ['u1', `fresh ${file}`, 99.5],
      ['new', null, 7],
    ])
    const [u1, fresh] = await stack.lookUp(target, ['u1', 'new'])
    expect(u1).toMatchObject({ source: 'ONLINE', status: 'FRESH' })
    expect(fresh).toMatchObject({ source: 'ONLINE', status: 'FRESH' })
    expect(await stack.realtime.parity(view.id, 100)).toMatchObject({
      sampled: expect.any(Number),
      mismatched: 0,
      missing: 0,
      extra: 0,
      examples: [],
    })
    await stack.realtime.refreshInFull(view.id)
    const [refreshed] = await stack.lookUp(target, ['u1'])
    expect(refreshed).toMatchObject({ source: 'ONLINE' })
    expect(refreshed && sortedRows(refreshed)).toEqual(u1 && sortedRows(u1))
  },
)

test('a value whose rows the ETL drops is NOT_FOUND', async () => {
  const { first } = await viewWith('row.ts')
  expect(first[1]).toMatchObject({ status: 'NOT_FOUND', rows: '[]' })
})

test('a value that fails in the ETL is its own error, and its old rows are never served again', async () => {
  const { target } = await viewWith('failing.js')
  await stack.publish('users', columns, [
    ['good', 'fine', 1],
    ['soon bad', 'fine', 1],
  ])
  expect(await stack.lookUp(target, ['good', 'soon bad'])).toMatchObject([
    { status: 'FRESH' },
    { status: 'FRESH' },
  ])
  await stack.publish('users', columns, [
    ['soon bad', 'bad', 1],
    ['good', 'finer', 1],
  ])
  for (let i = 0; i < 2; i++) {
    const [good, bad] = await stack.load(target, ['good', 'soon bad'])
    expect(good).toMatchObject({ status: 'FRESH', rows: expect.stringContaining('finer') })
    expect(bad).toMatchObject({
      status: 'FAILED',
      rows: '[]',
      error: { code: 'ETL_FAILED', message: expect.stringContaining('cannot work with bad') },
    })
  }
})

test('output that differs from what training gave is SCHEMA_MISMATCH', async () => {
  const { target, etlId } = await viewWith('row-no-key.js')
  const name = { name: 'tripled', type: 'FLOAT64', nullable: false, storage: 'DOUBLE' } as const
  await stack.catalog.etls.saveOutputColumns(etlId, target.queryId, [name])
  const [result] = await stack.load(target, ['u2'])
  expect(result).toMatchObject({ status: 'FAILED', error: { code: 'SCHEMA_MISMATCH' } })
})

test('columns that training has changed are served without a restart', async () => {
  const { target, etlId } = await viewWith('changing.js')
  const saved = (type: 'INT32' | 'FLOAT64', storage: string) =>
    stack.catalog.etls.saveOutputColumns(etlId, target.queryId, [
      { name: 'user_id', type: 'STRING', nullable: false, storage: 'VARCHAR' },
      { name: 'half', type, nullable: true, storage },
    ])
  await saved('INT32', 'INTEGER')
  const [refused] = await stack.load(target, ['u3'])
  expect(refused).toMatchObject({ status: 'FAILED', error: { code: 'SCHEMA_MISMATCH' } })
  await saved('FLOAT64', 'DOUBLE')
  stack.events.publish('views', 'all', { changed: true })
  const [served] = await stack.load(target, ['u4'])
  expect(served).toMatchObject({ status: 'FRESH', rows: expect.stringContaining('"half":') })
})

test('an ETL whose output lacks the key has no parity, unless it works row by row', async () => {
  const frame = await viewWith('no-key.sql')
  await expect(stack.realtime.parity(frame.view.id, 10)).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining('lacks the index key user_id'),
  })
  const source = `${sources['row-no-key.js']} // another`
  const etlPath = await stack.writeEtl('row-no-key-2.js', source)
  const target = { ...frame.target, etlPath }
  await stack.lookUp(target, ['u1'])
  const { id: etlId } = await stack.etlService.resolve(etlPath)
  const view = await stack.catalog.featureViews.find({
    queryId: target.queryId,
    etlId,
    indexKeys: ['user_id'],
  })
  expect(await stack.realtime.parity(view?.id ?? '', 10)).toMatchObject({
    sampled: 10,
    mismatched: 0,
    missing: 0,
    extra: 0,
  })
})

test('an ETL that mixes the rows of several values is caught by parity, with both sides as examples', async () => {
  const { view } = await viewWith('mixing.sql')
  const report = await stack.realtime.parity(view.id, 5)
  expect(report.mismatched).toBeGreaterThanOrEqual(4)
  expect(report.examples).toHaveLength(report.mismatched)
  expect(report.examples[0]).toMatchObject({
    value: expect.any(String),
    training: expect.any(Array),
    online: expect.any(Array),
  })
})

test('the source that is stored is served until the ETL is loaded anew', async () => {
  const etlPath = await stack.writeEtl('versions.js', 'export function transform(row) { return { v: 1 } }')
  const { id: queryId } = await stack.save(sql)
  const target = { queryId, etlPath, indexKey: 'user_id' }
  expect((await stack.lookUp(target, ['skipped']))[0]?.rows).toBe('[{"v":1}]')
  await stack.writeEtl('versions.js', 'export function transform(row) { return { v: 2 } }')
  expect((await stack.lookUp(target, ['skipped']))[0]?.rows).toBe('[{"v":1}]')
  const { id } = await stack.etlService.resolve(etlPath)
  await stack.etlService.refresh(id ?? '')
  stack.realtime.forget()
  expect((await stack.lookUp(target, ['skipped']))[0]?.rows).toBe('[{"v":2}]')
})

test.each(['nulls.js', 'nulls.sql'] as const)(
  'a first null in a column of %s is served, and the column may be null from then on',
  async (file) => {
    const { target, etlId } = await viewWith(file)
    const saved = (nullable: boolean) =>
      (['user_id', 'letters', 'half'] as const).map((name) => {
        const [type, storage] = outputTypes[name]
        return { name, type, storage, nullable: name === 'half' && nullable }
      })
    await stack.catalog.etls.saveOutputColumns(etlId, target.queryId, saved(false))
    await stack.publish('users', columns, [[`null of ${file}`, 'n', null]])
    const [row] = await stack.lookUp(target, [`null of ${file}`])
    expect(row).toMatchObject({ status: 'FRESH', rows: expect.stringContaining('"half":null') })
    await expect
      .poll(() => stack.catalog.etls.outputColumns(etlId, target.queryId), { timeout: 10_000 })
      .toEqual(saved(true))
  },
)
