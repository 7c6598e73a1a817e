// What every warehouse does with rows that are to go: those of the key and no others, once, and told by the keys that went.

import { describe, expect, test } from 'vitest'
import type { Value } from '../../src/values/columns.ts'
import type { KeyValue } from '../../src/values/key-values.ts'
import type { NewColumn, Warehouse } from '../../src/warehouse/port.ts'
import { ingest } from './own-tables.ts'

/** Keys of each type: the one that goes, and others that a careless comparison would take with it. */
const keys: readonly (Omit<NewColumn, 'name' | 'nullable'> & {
  gone: KeyValue
  kept: readonly KeyValue[]
})[] = [
  { type: 'STRING', gone: 'ada', kept: ['Ada', 'ada ', ' ada', 'adá', 'ada%', ''] },
  { type: 'STRING', gone: 'it\'s \\ "q" é', kept: ["it''s", 'its'] },
  { type: 'INT32', gone: 7, kept: [-7, 70, 0] },
  { type: 'INT64', gone: 2 ** 40, kept: [2 ** 40 + 1, 7] },
  { type: 'DECIMAL', storage: 'DECIMAL(18,2)', gone: 12.34, kept: [12.35, 12.3, -12.34] },
  { type: 'DATE', gone: '2026-11-30', kept: ['2026-11-29', '2025-11-30'] },
  {
    type: 'TIMESTAMP',
    gone: '2026-11-30T12:30:00.123456Z',
    kept: ['2026-11-30T12:30:00.123457Z', '2026-11-30T12:30:00Z'],
  },
]

export function testErase(opened: () => Warehouse, { erases }: { erases: boolean }): void {
  async function makeTable(
    name: string,
    columns: readonly Omit<NewColumn, 'nullable'>[],
    rows: readonly object[],
  ) {
    await opened().createTable({ name, columns: columns.map((column) => ({ ...column, nullable: true })) })
    await ingest(opened(), name, rows)
  }
  const held = async (table: string, column: string) => {
    const { batches } = await opened().scan({
      sql: `SELECT ${column} FROM feature_store.${table}`,
      key: [column],
    })
    const found: Value[] = []
    for await (const batch of batches) found.push(...batch.map((row) => row[0] ?? null))
    return found
  }

  describe('erase', () => {
    if (erases) return testErased()
    test('MUST say so where it cannot take rows away', async () => {
      await makeTable('erase_refused', [{ name: 'k', type: 'STRING' }], [{ k: 'ada' }])
      const request = { jobId: 'refused', batch: 0, table: 'erase_refused', columns: ['k'], values: ['ada'] }
      await expect(opened().erase(request)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
      expect(await held('erase_refused', 'k')).toEqual(['ada'])
    })
  })

  function testErased() {
    test.each(keys.map((key, i) => [key.type, i, key] as const))(
      'MUST take the rows of a key of type %s, and no others (%i)',
      async (_type, i, { gone, kept, ...column }) => {
        const table = `erase_${i}`
        const rows = [gone, gone, ...kept].map((k, n) => ({ k, n }))
        await makeTable(
          table,
          [
            { name: 'k', ...column },
            { name: 'n', type: 'INT32' },
          ],
          [...rows, { n: -1 }],
        )
        const result = await opened().erase({
          jobId: `erase ${i}`,
          batch: 0,
          table,
          columns: ['k'],
          values: [gone],
        })
        expect(result).toMatchObject({ applied: true, rows: 2 })
        expect(await opened().version()).toBe(result.version)
        const left = await held(table, 'n')
        expect(left.map(Number).sort((a, b) => a - b)).toEqual([-1, ...kept.map((_, n) => n + 2)])
      },
    )

    test('MUST tell which keys the rows held that went, or that any may have changed', async () => {
      const columns = [
        { name: 'k', type: 'STRING' },
        { name: 'shop', type: 'INT32' },
      ] as const
      const rows = [1, 2, 2, 3].map((shop) => ({ k: shop === 3 ? 'other' : 'ada', shop }))
      await makeTable('erase_told', columns, rows)
      const request = {
        jobId: 'told',
        batch: 0,
        table: 'erase_told',
        columns: ['k'],
        values: ['ada'],
        keys: [{ table: 'erase_told', columns: ['shop'] }],
      }
      const first = await opened().erase(request)
      const [change] = first.changes
      expect([change?.table, first.changes.length]).toEqual(['feature_store.erase_told', 1])
      // Without transactions nobody knows the keys of what an earlier try has taken.
      if (opened().name !== 'trino')
        expect(change?.keys?.[0]?.values.map(([shop]) => Number(shop)).sort()).toEqual([1, 2])
      else expect(change?.keys).toBeNull()
    })

    test('MUST not do again what was done under the name, and then tell that any row may have changed', async () => {
      await makeTable('erase_once', [{ name: 'k', type: 'STRING' }], [{ k: 'ada' }])
      const request = { jobId: 'once', batch: 3, table: 'erase_once', columns: ['k'], values: ['ada'] }
      const first = await opened().erase(request)
      await ingest(opened(), 'erase_once', [{ k: 'ada' }])
      const again = await opened().erase(request)
      expect(again).toMatchObject({
        applied: false,
        rows: 0,
        changes: [{ table: 'feature_store.erase_once', keys: null }],
      })
      expect(again.version).toBeGreaterThan(first.version)
      expect(await held('erase_once', 'k')).toEqual(['ada'])
    })

    test('MUST step the version also where there is no row of the key, and refuse what is no table', async () => {
      await makeTable('erase_none', [{ name: 'k', type: 'STRING' }], [{ k: 'ada' }])
      const before = await opened().version()
      const request = { jobId: 'none', batch: 0, table: 'erase_none', columns: ['k'], values: ['nobody'] }
      expect(await opened().erase(request)).toMatchObject({ applied: true, rows: 0, version: before + 1 })
      await expect(opened().erase({ ...request, jobId: 'no table', table: 'nowhere' })).rejects.toMatchObject(
        {
          code: 'BAD_USER_INPUT',
        },
      )
      await expect(opened().erase({ ...request, jobId: 'no column', columns: ['x'] })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
      })
    })
  }
}
