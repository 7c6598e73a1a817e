// The promise, end to end, on whatever stores: for every user, training and realtime give the same rows, with and without ETLs.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { extract, featuresOf, publishAndFollow, train } from '../../examples/client/features.ts'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from './gateway.ts'
import { comparable, rowsByKey } from './rows.ts'
import type { Stores } from './stores.ts'

const quoteFeatures = `SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time FROM feature_store.quotes Q LEFT JOIN feature_store.policies P ON Q.user_id = P.user_id LEFT JOIN feature_store.transactions T ON P.user_id = T.user_id LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count from feature_store.transactions T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`

const etls = {
  'row.ts': `export function transform(row: { user_id: string; card_type: string | null; failed_count: number | null; creation_date: number; binding_date: number | null }) {
  return { user_id: row.user_id, has_card: row.card_type !== null, failures: row.failed_count ?? 0, hours_to_bind: row.binding_date === null ? null : (row.binding_date - row.creation_date) / 3600 }
}`,
  'frame.js': `export function extract(rows) {
  const users = Map.groupBy(rows, (row) => row.user_id)
  return [...users].map(([user_id, own]) => ({ user_id, quotes: own.length, cards: own.map((row) => row.card_type).filter(Boolean).sort() }))
}`,
  'by-user.sql': `SELECT user_id, count(*) AS quotes, sum(failed_count) AS failures, max(purchase_time) AS last_purchase FROM input GROUP BY user_id`,
}

export function testPromise(name: string, start: () => Promise<Stores>): void {
  describe(`The promise on ${name}`, () => {
    let folder: Awaited<ReturnType<typeof createDataFolder>>
    let etlFolder = ''
    let stores: Stores
    let gateway: Awaited<ReturnType<typeof startGateway>>
    let queryId: string

    beforeAll(async () => {
      folder = await createDataFolder('parity')
      etlFolder = join(folder.path, 'etls')
      await mkdir(etlFolder)
      for (const [name, source] of Object.entries(etls)) await writeFile(join(etlFolder, name), source)
      stores = await start()
      gateway = await startGateway(folder.path, { ETL_SOURCES: etlFolder, ...(await stores.create()) })
    })

    afterAll(async () => {
      await gateway?.stop()
      await stores?.stop()
      await folder?.remove()
    })

    test('2,000 flows published in four jobs while lookups run leave no user whose realtime rows differ from training', async () => {
      await publishAndFollow(gateway.typed, { nFlows: 100, seed: 1 }, () => {})
      const first = await train(gateway.typed, quoteFeatures, 'quote_features')
      queryId = first.query?.id ?? ''
      const known = [
        ...(
          await rowsByKey(first.dataset.downloads.parquet.replace('.parquet', '.ndjson'), 'user_id')
        ).keys(),
      ]

      let publishing = true
      const lookups = (async () => {
        let count = 0
        while (publishing) {
          for (const result of await gateway.lookUp(queryId, 'user_id', known.slice(0, 50)))
            expect(result.status).toBe('FRESH')
          count++
        }
        return count
      })()
      await Promise.all(
        [1, 2, 3, 4].map((seed) =>
          publishAndFollow(gateway.typed, { nFlows: 500, seed: seed * 10 }, () => {}),
        ),
      )
      publishing = false
      expect(await lookups).toBeGreaterThan(0)

      const { dataset } = await train(gateway.typed, quoteFeatures, 'quote_features')
      const training = await rowsByKey(dataset.downloads.parquet.replace('.parquet', '.ndjson'), 'user_id')
      expect(training.size).toBeGreaterThan(1500)
      const users = [...training.keys()]
      const mismatches: unknown[] = []
      for (const { indexValue, rows } of await gateway.lookUp(queryId, 'user_id', users)) {
        const trained = comparable(training.get(indexValue) ?? [])
        if (JSON.stringify(comparable(rows)) !== JSON.stringify(trained))
          mismatches.push({ indexValue, rows, trained })
      }
      expect(mismatches).toEqual([])
    })

    test.for(Object.keys(etls))(
      'every user’s features by the ETL %s are the same in training and in real time',
      async (name) => {
        const etlPath = `file:${join(etlFolder, name)}`
        const { dataset } = await extract(gateway.typed, queryId, etlPath)
        const training = await rowsByKey(dataset.downloads.parquet.replace('.parquet', '.ndjson'), 'user_id')
        const users = [...training.keys()]
        const mismatches: unknown[] = []
        for (const { indexValue, rows } of await featuresOf(gateway.typed, queryId, etlPath, users)) {
          const trained = comparable(training.get(indexValue) ?? [])
          if (JSON.stringify(comparable(rows)) !== JSON.stringify(trained))
            mismatches.push({ indexValue, rows, trained })
        }
        expect(mismatches).toEqual([])
      },
    )

    test('the gateway’s own parity report finds no difference in any feature view', async () => {
      const { featureViews } = await gateway.data<{ featureViews: { edges: { node: { id: string } }[] } }>(
        '{ featureViews(first: 50) { edges { node { id } } } }',
      )
      expect(featureViews.edges.length).toBe(4)
      for (const { node } of featureViews.edges) {
        const report = await gateway.graphql(
          'query ($id: ID!) { parity(featureViewId: $id, sample: 300) { sampled mismatched missing extra examples } }',
          { id: node.id },
        )
        expect(report.errors).toBeUndefined()
        expect(report.data?.parity).toEqual({
          sampled: 300,
          mismatched: 0,
          missing: 0,
          extra: 0,
          examples: [],
        })
      }
    })
  })
}
