// Claims of refreshes in full between the gateways of one catalog.

import { pino } from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { openCatalog } from '../../src/catalog/open.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'

let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres()
})

afterAll(() => postgres?.stop())

async function open() {
  const catalog = await openCatalog({ url: postgres.url, folder: '', log: pino({ level: 'silent' }) })
  let isOpen = true
  const close = async () => {
    if (isOpen) await catalog.close()
    isOpen = false
  }
  onTestFinished(close)
  return { ...catalog, close }
}

async function createView({ savedQueries, featureViews }: Awaited<ReturnType<typeof open>>, name: string) {
  const { id: queryId } = await savedQueries.save({ name, sql: `SELECT '${name}' AS k`, columns: [] })
  const view = { name, queryId, etlId: null, indexKeys: ['k'], refresh: 'FULL' as const, tables: [] }
  return (await featureViews.create(view)).id
}

const progress = { version: 7, position: 'half\0way "', rows: 5, startedAt: new Date(1_700_000_000_000) }

test('a refresh belongs to one gateway until it is released, or until that gateway is gone', async () => {
  const [a, b, c] = [await open(), await open(), await open()]
  const id = await createView(a, 'one at a time')
  expect(await a.viewRefreshes.claim(id)).toEqual({ progress: null })
  expect(await a.viewRefreshes.claim(id)).toEqual({ progress: null })
  expect(await b.viewRefreshes.claim(id)).toBeNull()
  expect(await a.viewRefreshes.advance(id, progress)).toBe(true)
  expect(await b.viewRefreshes.advance(id, { ...progress, rows: 6 })).toBe(false)
  await b.viewRefreshes.release(id)
  expect(await b.viewRefreshes.claim(id)).toBeNull()
  expect(await b.viewRefreshes.abandoned()).toEqual([])

  await a.close()
  await expect.poll(() => b.viewRefreshes.abandoned()).toEqual([id])
  const claims = await Promise.all([b, c].map(({ viewRefreshes }) => viewRefreshes.claim(id)))
  expect(claims.filter((claim) => claim !== null)).toEqual([{ progress }])
  const [heir, other] = claims[0] === null ? [c, b] : [b, c]
  expect(await other.viewRefreshes.advance(id, progress)).toBe(false)
  await heir.viewRefreshes.release(id)
  expect(await other.viewRefreshes.claim(id)).toEqual({ progress: null })
})

test('a view that is removed takes its refresh along, and one that is not there cannot be claimed', async () => {
  const a = await open()
  const id = await createView(a, 'removed')
  await a.viewRefreshes.claim(id)
  await a.featureViews.remove(id)
  expect(await a.viewRefreshes.advance(id, progress)).toBe(false)
  await expect(a.viewRefreshes.claim(id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('a watermark that is kept rises and never falls, whichever gateway keeps it', async () => {
  const [a, b] = [await open(), await open()]
  const id = await createView(a, 'watermarks')
  for (const [catalog, version] of [
    [a, 5],
    [b, 3],
    [b, 8],
    [a, 7],
  ] as const) {
    await catalog.featureViews.raiseWatermark(id, version)
  }
  expect((await b.featureViews.byId(id)).watermark).toBe(8)
  await a.featureViews.raiseWatermark('fv_none', 1)
})
