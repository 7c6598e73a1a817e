// A Trino that goes away or hangs, queries that are stopped, and gateways that append at the same time.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createCertificates } from '../servers/certificates.ts'
import { startProxy } from '../servers/proxy.ts'
import { startFront } from './front.ts'
import { createTrinoFolder, execute, trinoUrl } from './open.ts'

const slow =
  'SELECT count(*) AS s /* marked */ FROM UNNEST(sequence(1, 10000)) a(a), UNNEST(sequence(1, 10000)) b(b), UNNEST(sequence(1, 10000)) c(c) WHERE a.a * b.b <> c.c'
const endless = 'SELECT * FROM tpch.sf100.lineitem /* marked */'

let subject: Awaited<ReturnType<typeof createTrinoFolder>>
let warehouse: Warehouse
let other: Warehouse
let proxy: Awaited<ReturnType<typeof startProxy>>

beforeAll(async () => {
  subject = await createTrinoFolder()
  proxy = await startProxy(inject('trinoPort'))
  warehouse = await subject.open(trinoUrl('faults', proxy.port))
  other = await subject.open(trinoUrl('faults'))
})

afterEach(() => proxy.goOn())

afterAll(async () => {
  await warehouse?.close()
  await other?.close()
  await proxy?.stop()
  await subject?.remove()
})

const addUser = (through: Warehouse, id: string, jobId: string, batch = 0) =>
  through.append({ jobId, batch, tables: [{ table: 'users', columns: ['user_id'], rows: [[id]] }] })
const findUser = (through: Warehouse, id: string) =>
  through.lookup({ sql: 'SELECT user_id FROM feature_store.users', key: ['user_id'], values: [[id]] })

/** Resolves once the engine runs so many statements that are marked. */
async function untilRunning(expected: boolean): Promise<void> {
  const sql =
    "SELECT count(*) FROM system.runtime.queries WHERE state IN ('RUNNING', 'QUEUED', 'PLANNING', 'STARTING', 'FINISHING') AND query LIKE '%/* marked */%' AND query NOT LIKE '%runtime%'"
  await expect.poll(async () => Number((await execute('faults', sql))[0]?.[0]) > 0).toBe(expected)
}

test('an aborted export is stopped in the engine too, before its first row and amidst its rows', async () => {
  for (const sql of [slow, endless]) {
    const controller = new AbortController()
    const path = join(subject.datasetsFolder, 'aborted.parquet')
    const exporting = warehouse.exportParquet({ sql, path, signal: controller.signal })
    exporting.catch(() => undefined)
    await untilRunning(true)
    controller.abort(new Error('enough'))
    await expect(exporting).rejects.toThrow('enough')
    await untilRunning(false)
  }
  expect(await readdir(subject.datasetsFolder)).toEqual([])
})

test('a scan whose reader left holds nothing in the engine', async () => {
  const { batches } = await warehouse.scan({
    sql: 'SELECT orderkey AS k, comment AS c /* marked */ FROM tpch.tiny.lineitem',
    key: ['k'],
  })
  for await (const _ of batches) break
  await untilRunning(false)
})

test('an engine that hangs leaves a caller free to go, and serves again when it goes on', async () => {
  await addUser(warehouse, 'steady', 'hang')
  proxy.hang()
  const startedMs = performance.now()
  const reason = new Error('no longer')
  const signal = AbortSignal.timeout(300)
  const looking = warehouse.lookup({
    sql: 'SELECT user_id FROM feature_store.users',
    key: ['user_id'],
    values: [['steady']],
    signal,
  })
  await expect(looking).rejects.toMatchObject({ name: 'TimeoutError' })
  const controller = new AbortController()
  const path = join(subject.datasetsFolder, 'hanging.parquet')
  const exporting = warehouse.exportParquet({ sql: endless, path, signal: controller.signal })
  controller.abort(reason)
  await expect(exporting).rejects.toBe(reason)
  await expect(warehouse.ping()).rejects.toMatchObject({ code: 'WAREHOUSE_FAILED' })
  expect(performance.now() - startedMs).toBeLessThan(60_000)
  proxy.goOn()
  await warehouse.ping()
  expect((await findUser(warehouse, 'steady')).rows).toEqual([['steady']])
})

test('an engine that is gone fails everything at once with WAREHOUSE_FAILED', async () => {
  const gone = await startProxy(inject('trinoPort'))
  const through = await subject.open(trinoUrl('faults', gone.port))
  const path = join(subject.datasetsFolder, 'gone.parquet')
  const exporting = expect(through.exportParquet({ sql: slow, path })).rejects.toMatchObject({
    code: 'WAREHOUSE_FAILED',
  })
  await untilRunning(true)
  await gone.stop()
  await exporting
  for (const call of [
    () => through.ping(),
    () => findUser(through, 'x'),
    () => addUser(through, 'x', 'gone'),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'WAREHOUSE_FAILED' })
  await through.close()
  await expect(subject.open(trinoUrl('faults', gone.port))).rejects.toMatchObject({
    code: 'WAREHOUSE_FAILED',
  })
})

test('by TLS the authority is checked, and what is refused for a moment is asked for again', async () => {
  const certificates = await createCertificates()
  const front = await startFront(inject('trinoPort'), 3, certificates)
  const url = `${trinoUrl('faults', front.port)}?tls=true`
  try {
    const through = await subject.open(`${url}&ca=${certificates.authority}`)
    expect(front.refusalsLeft()).toBe(0)
    await through.ping()
    await through.close()
    for (const ca of ['', `&ca=${certificates.stranger}`])
      await expect(subject.open(url + ca)).rejects.toMatchObject({ code: 'WAREHOUSE_FAILED' })
  } finally {
    await front.stop()
    await certificates.remove()
  }
})

test('two gateways that append one batch at the same time leave its rows once', async () => {
  const before = await warehouse.version()
  for (let batch = 0; batch < 2; batch++) {
    const both = await Promise.all([
      addUser(warehouse, `twice${batch}`, 'twice', batch),
      addUser(other, `twice${batch}`, 'twice', batch),
    ])
    expect(both.some(({ applied }) => applied)).toBe(true)
    for (const through of [warehouse, other])
      expect((await findUser(through, `twice${batch}`)).rows).toEqual([[`twice${batch}`]])
  }
  expect(await other.version()).toBeGreaterThanOrEqual(before + 2)
})

test('rows of an append that never reached the ledger are not seen, and doing it again shows them once', async () => {
  await execute(
    'faults',
    "INSERT INTO faults.gateway.users (user_id, append_id) VALUES ('half', 'a dead gateway')",
  )
  expect((await findUser(warehouse, 'half')).rows).toEqual([])
  expect((await addUser(warehouse, 'half', 'half')).applied).toBe(true)
  expect((await findUser(warehouse, 'half')).rows).toEqual([['half']])
})

test.each([
  ['another catalog', 'rows', 'progress'],
  ['a PostgreSQL', 'postgres', 'views'],
] as const)('rows may be kept in %s, away from the views', async (_name, rows, views) => {
  const apart = await subject.open(`${trinoUrl(views)}?rows=${rows}`)
  const sql = 'SELECT user_id FROM feature_store.users'
  expect((await addUser(apart, 'apart', 'apart')).applied).toBe(true)
  expect((await findUser(apart, 'apart')).rows).toEqual([['apart']])
  expect(await execute(rows, `SELECT user_id FROM ${rows}.gateway.users WHERE user_id = 'apart'`)).toEqual([
    ['apart'],
  ])
  expect((await apart.describe(sql)).tables.map(({ schema, name }) => `${schema}.${name}`)).toEqual([
    'feature_store.users',
  ])
  await expect(apart.describe(`SELECT * FROM ${rows}.gateway.ledger`)).rejects.toMatchObject({
    code: 'INVALID_SQL',
  })
  // One INSERT of the connector is one transaction: what two gateways write at once is there once, whole.
  const beside = await subject.open(`${trinoUrl(views)}?rows=${rows}`)
  const both = await Promise.all([addUser(apart, 'both', 'both'), addUser(beside, 'both', 'both')])
  expect(both.some(({ applied }) => applied)).toBe(true)
  for (const through of [apart, beside]) expect((await findUser(through, 'both')).rows).toEqual([['both']])
  await execute(
    rows,
    `INSERT INTO ${rows}.gateway.users (user_id, append_id) VALUES ('dead', 'a dead gateway')`,
  )
  expect((await findUser(beside, 'dead')).rows).toEqual([])
  await beside.close()
  await apart.close()
})
