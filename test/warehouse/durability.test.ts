// What an append promised holds after the process was killed without warning.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, expect, test } from 'vitest'
import { createWarehouseFolder } from './open-duckdb.ts'

const subject = await createWarehouseFolder()
afterAll(() => subject.remove())

test('a killed process loses no append that resolved, and none is there by half or twice', async () => {
  let acknowledged = -1
  for (const stopAt of [3, 9, 17]) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'appender.ts'), subject.folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Math.max(acknowledged, Number(line))
      if (Number(line) >= stopAt) break
    }
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  const warehouse = await subject.open()
  const count =
    "SELECT 'k' AS k, (SELECT count(*) FROM feature_store.users) AS u, (SELECT count(*) FROM feature_store.quotes) AS q, (SELECT count(DISTINCT user_id) FROM feature_store.users) AS d"
  const { version, rows } = await warehouse.lookup({ sql: count, key: ['k'], values: [['k']] })
  const again = await warehouse.append({ jobId: 'killed', batch: acknowledged, tables: [] })
  await warehouse.close()

  expect(acknowledged).toBeGreaterThanOrEqual(17)
  expect(version).toBeGreaterThanOrEqual(acknowledged + 1)
  expect(rows).toEqual([['k', version * 500, version * 500, version * 500]])
  expect(again.applied).toBe(false)
})
