// The part of the warehouse port's contract on snapshots that several reads share.

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Row } from '../../src/values/columns.ts'
import type { Opened, WarehouseTests } from './warehouse-tests.ts'

export function testSnapshots(at: Opened, { users, usersOf, refusal }: WarehouseTests): void {
  describe('holdSnapshot', () => {
    const sql = usersOf('held')
    const key = ['user_id']
    const values = [['held1'], ['held2']]
    const idsOf = (rows: Iterable<Row>) => [...rows].map((row) => String(row[0])).sort()

    async function readAll(snapshot: string) {
      const path = join(at.subject.folder, `${crypto.randomUUID()}.parquet`)
      const { columns } = await at.warehouse.exportParquet({ sql, path, snapshot })
      const found = await at.warehouse.lookup({ sql, key, values, snapshot })
      const scan = await at.warehouse.scan({ sql, key, snapshot })
      const scanned: Row[] = []
      for await (const rows of scan.batches) scanned.push(...rows)
      const exported = await at.parquet.read(path, { columns })
      return {
        ids: [exported.rows, found.rows, scanned].map(idsOf),
        versions: [found.version, scan.version],
      }
    }

    test('MUST let every read see what stood when it was taken, whatever is appended meanwhile', async () => {
      await users(['user_id', 'name'], [['held1', 'a']])
      const version = await at.warehouse.version()
      const { id, release } = await at.warehouse.holdSnapshot({ statements: [sql] })
      try {
        for (let round = 0; round < 2; round++) {
          const { ids, versions } = await readAll(id)
          expect(ids).toEqual([['held1'], ['held1'], ['held1']])
          expect(versions).toEqual([version, version])
          await users(['user_id', 'name'], [[`held${round + 2}`, 'b']])
        }
      } finally {
        await release()
      }
      const { rows } = await at.warehouse.lookup({ sql, key, values })
      expect(idsOf(rows)).toEqual(['held1', 'held2'])
    })

    test('MUST go on with the others when one of several is released', async () => {
      const first = await at.warehouse.holdSnapshot({ statements: [sql] })
      await users(['user_id', 'name'], [['held8', 'c']])
      const second = await at.warehouse.holdSnapshot({ statements: [sql] })
      await first.release()
      await users(['user_id', 'name'], [['held9', 'd']])
      const { ids } = await readAll(second.id)
      await second.release()
      expect(ids[0]?.filter((id) => id > 'held7')).toEqual(['held8'])
    })

    test('MUST refuse a statement that cannot be run, and be of use to the next', async () => {
      const { id, release } = await at.warehouse.holdSnapshot({ statements: [sql] })
      const path = join(at.subject.folder, 'refused.parquet')
      const wrong = at.warehouse.exportParquet({ sql: 'SELECT * FROM no_such_table', path, snapshot: id })
      expect((await refusal(wrong)).code).toBe('INVALID_SQL')
      expect((await readAll(id)).ids[0]).toContain('held1')
      await release()
    })
  })
}
