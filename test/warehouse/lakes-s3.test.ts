// Tables of lakehouses in buckets, served by a real server of the protocol.

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { openLake } from '../servers/lake.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

const subject = await createWarehouseFolder()
const files = ['delta:s3://lake/payments', 'iceberg:s3://lake/ice/shop/orders']
const keys = { keyId: 'key', secret: 'secret', region: 'eu-north-1' }
let lake: Awaited<ReturnType<typeof openLake>>
let s3: Awaited<ReturnType<(typeof lake)['startS3']>>
let warehouse: Warehouse

const writeDelta = (path: string, rows: string) => {
  const options = {
    AWS_ENDPOINT_URL: s3.url,
    AWS_ALLOW_HTTP: 'true',
    AWS_ACCESS_KEY_ID: keys.keyId,
    AWS_SECRET_ACCESS_KEY: keys.secret,
    AWS_REGION: keys.region,
  }
  return lake.writeDelta(path, rows, `mode='append', storage_options=${JSON.stringify(options)}`)
}
const writeIceberg = (rows: string) =>
  lake.writeIceberg(subject.folder, rows, {
    warehouse: 's3://lake/ice',
    options: {
      's3.endpoint': s3.url,
      's3.access-key-id': keys.keyId,
      's3.secret-access-key': keys.secret,
      's3.region': keys.region,
    },
  })

beforeAll(async () => {
  lake = await openLake()
  s3 = await lake.startS3()
  await writeDelta('s3://lake/payments', "[{'id': 1, 'n': 1.5}]")
  await writeDelta('s3://lake/secret', "[{'id': 1, 'n': 1.5}]")
  await writeIceberg("[{'id': 1, 'n': 1.5}]")
  warehouse = await subject.open({ files, extensions: [lake.extensions], s3: { ...keys, endpoint: s3.url } })
}, 600_000)

afterAll(async () => {
  await warehouse?.close()
  await s3?.stop()
  await subject.remove()
})

const find = async (table: string, id: number) =>
  (await warehouse.lookup({ sql: `SELECT * FROM ${table}`, key: ['id'], values: [[id]] })).rows

test('Delta and Iceberg tables in a bucket are read, and new versions of them within seconds', async () => {
  for (const table of ['files.payments', 'files.orders']) expect(await find(table, 1)).toEqual([[1, 1.5]])
  await writeDelta('s3://lake/payments', "[{'id': 2, 'n': 2.5}]")
  await writeIceberg("[{'id': 2, 'n': 2.5}]")
  for (const table of ['files.payments', 'files.orders'])
    await expect.poll(() => find(table, 2)).toEqual([[2, 2.5]])
})

test('no statement names what else the bucket holds', async () => {
  for (const from of [
    "'s3://lake/payments/a.parquet'",
    "delta_scan('s3://lake/secret')",
    "glob('s3://lake/**')",
    'duckdb_secrets()',
    "read_text('s3://lake/secret/_delta_log/00000000000000000000.json')",
  ])
    await expect(warehouse.describe(`SELECT * FROM ${from}`), from).rejects.toMatchObject({
      code: 'INVALID_SQL',
    })
})

test('a bucket that cannot be had stops the start with its reason, which holds no key', async () => {
  const own = await createWarehouseFolder()
  onTestFinished(own.remove)
  const opening = own.open({
    files: ['delta:s3://nobody/payments'],
    extensions: [lake.extensions],
    s3: { ...keys, secret: 'very-secret', endpoint: s3.url },
  })
  await expect(opening).rejects.toThrow(/WAREHOUSE_FILES: delta:s3:\/\/nobody\/payments cannot be read/)
  await expect(opening).rejects.not.toThrow(/very-secret/)
})
