// Training sets whose parts are read one after the other, while somebody writes: every part is of one state of the warehouse.

import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SpineRequest } from '../../src/training/sets/spine.ts'
import { formatMicros } from '../../src/values/calendar.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createDataFolder } from '../data-folder.ts'
import { resolving } from './resolving.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

const keys = 1500
const firstMicros = BigInt(Date.parse('2026-01-01T00:00:00Z')) * 1000n
const asked = '2026-06-01T00:00:00Z'

export function testOneState(
  name: string,
  start: () => Promise<{ url: string; stop(): Promise<void> }>,
): void {
  describe(`A training set on ${name}`, () => {
    let server: Awaited<ReturnType<typeof start>>
    let folder: Awaited<ReturnType<typeof createDataFolder>>
    let stack: TrainingStack
    let written = 0

    beforeAll(async () => {
      server = await start()
      folder = await createDataFolder('one-state')
      stack = await openTrainingStack(folder.path, server.url)
      const columns = [
        { name: 'k', type: 'INT64' as const, nullable: true },
        { name: 'ts', type: 'TIMESTAMP' as const, nullable: true },
        { name: 'v', type: 'INT64' as const, nullable: true },
      ]
      await stack.warehouse.createTable({ name: 'readings', columns })
      await write()
      const training = stack.training()
      for (const [view, etl] of Object.entries({ first: true, second: true, plain: false })) {
        const sql = `SELECT k, ts, v AS ${view} FROM feature_store.readings`
        const { query } = await training.queryTrain({ sql, name: view, save: true, waitMs: 60_000 })
        const queryId = query?.id ?? ''
        const path = join(stack.etlFolder, `${view}.js`)
        await writeFile(
          path,
          `export const columns = { k: 'INT64', ts: 'TIMESTAMP', ${view}: 'INT64' }\nexport function transform(row) { return row }`,
        )
        const made = etl
          ? await training.extractTrain({ queryId, etlPath: `file:${path}`, save: true, waitMs: 60_000 })
          : null
        await stack.catalog.featureViews.create({
          name: view,
          queryId,
          etlId: made?.etl?.id ?? null,
          indexKeys: ['k'],
          timestampColumn: 'ts',
          refresh: 'MANUAL',
          tables: [],
        })
      }
      await training.close()
    })
    afterAll(async () => {
      await stack?.close()
      await folder?.remove()
      await server?.stop()
    })

    /** A newer row for each key, the same value in all. */
    async function write() {
      written++
      const ts = formatMicros(firstMicros + BigInt(written) * 1_000_000n)
      const rows = Array.from({ length: keys }, (_, k) => [k, ts, written])
      const tables = [{ table: 'readings', columns: ['k', 'ts', 'v'], rows }]
      await stack.warehouse.append({ jobId: randomUUID(), batch: 0, tables })
    }

    /** Writes after each read. */
    function writtenBetween(): Warehouse {
      const { warehouse } = stack
      return {
        ...warehouse,
        exportParquet: (request) => warehouse.exportParquet(request).finally(write),
        lookup: (request) => warehouse.lookup(request).finally(write),
      }
    }

    const rowsOf = (count: number) => Array.from({ length: count }, (_, k) => ({ k, event_timestamp: asked }))
    const spines: Record<string, SpineRequest> = {
      'a few rows': { rows: rowsOf(10) },
      'many rows': { rows: rowsOf(keys) },
      'a statement': {
        sql: "SELECT DISTINCT k, CAST('2026-06-01 00:00:00' AS TIMESTAMP) AS event_timestamp FROM feature_store.readings",
      },
    }

    test.for(Object.keys(spines))(
      'of %s is of one state, whatever is written while its views are read',
      async (kind) => {
        const training = stack.training({ warehouse: writtenBetween() })
        try {
          const before = written
          const views = ['first', 'second', 'plain']
          const references = views.map((view) => ({ view, features: null, prefix: null, keys: [] }))
          const { dataset } = await training.createTrainingSet({
            spine: spines[kind] ?? {},
            resolve: resolving(stack, references),
            name: null,
            timestampColumn: 'event_timestamp',
            knownAsOf: false,
            waitMs: 100_000,
          })
          expect(dataset).toMatchObject({ status: 'SUCCEEDED' })
          expect(written - before).toBeGreaterThanOrEqual(views.length)
          const { rows } = await training.rows(dataset.id, { offset: 0, limit: 10_000 })
          expect(rows.length).toBe(kind === 'a few rows' ? 10 : keys)
          const found = rows.map((row) => row.slice(2))
          const [one] = found[0] ?? []
          expect(one).toBeGreaterThanOrEqual(before)
          expect(found).toEqual(found.map(() => [one, one, one]))
        } finally {
          await training.close()
        }
      },
    )
  })
}
