// Training sets of many rows that come with the request: on Trino they are a table while the statement runs.

import { expect, test } from 'vitest'
import { testGivenSpines } from '../training/given-spines.ts'
import { createTrinoFolder, execute, trinoUrl } from './open.ts'

const dayMs = 24 * 3_600_000
const stray = `spine_${Date.now() - 2 * dayMs}_0`
const young = `spine_${Date.now()}_0`

testGivenSpines(
  'Trino',
  async () => {
    await execute('spines', 'CREATE SCHEMA IF NOT EXISTS gateway_spines')
    for (const name of [stray, young])
      await execute('spines', `CREATE TABLE gateway_spines.${name} (a bigint)`)
    return { url: trinoUrl('spines'), stop: async () => {} }
  },
  { hasLateral: false, refusesNul: false, most: 1300 },
)

test('nothing of them is left, nor what a gateway left that died; what another has just made is', async () => {
  expect(await execute('spines', 'SHOW TABLES FROM gateway_spines')).toEqual([[young]])
})

test('no statement of a user reads them, and no list of tables has them', async () => {
  const { open, remove } = await createTrinoFolder()
  const warehouse = await open(trinoUrl('spines'))
  try {
    await expect(warehouse.describe(`SELECT a FROM spines.gateway_spines.${young}`)).rejects.toThrow(
      /the gateway's own/,
    )
    expect((await warehouse.tables()).map(({ schema }) => schema)).not.toContain('gateway_spines')
  } finally {
    await warehouse.close()
    await remove()
  }
})
