// Refreshes in full of many index values: bounded in memory, cut short and gone on with, and their values' time to live.

import { Redis } from 'ioredis'
import { type DestinationStream, pino } from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { heldMemory, usedMemory } from '../held-memory.ts'
import { startRedis } from '../servers/redis.ts'
import { openStack, type Stack } from './stack.ts'

const columns = ['user_id', 'name', 'creation_date']
const numbered = (count: number) =>
  `SELECT 'k' || n AS user_id, n % 100 AS twice FROM range(${count}) t(n) UNION ALL SELECT user_id, -1 FROM feature_store.users`
let stack: Stack

beforeAll(async () => {
  stack = await openStack()
})

afterAll(() => stack?.remove())

test('fifty thousand index values of 100 MB pass through less memory than that, and every one is right', {
  timeout: 300_000,
}, async () => {
  const count = 50_000
  const wide = `SELECT 'k' || n AS user_id, repeat(chr(97 + (n % 26)::INT), 2000) AS text FROM range(${count}) t(n)`
  const most = 75 * 2 ** 20
  const before = heldMemory()
  let highest = before
  // A collection takes long, and is needed where what is used is too much alone.
  const timer = setInterval(() => {
    if (usedMemory() - before >= most) highest = Math.max(highest, heldMemory())
  }, 200)
  const { target, record } = await stack.view('wide', wide, 'user_id', 'MANUAL')
  const { rows } = await stack.realtime.refreshInFull(record.id)
  clearInterval(timer)
  expect(rows).toBe(count)
  expect(highest - before).toBeLessThan(most)

  for (let from = 0; from < count; from += 10_000) {
    const values = Array.from({ length: 10_000 }, (_, i) => `k${from + i}`)
    const results = await stack.lookUp(target, values)
    const wrong = results.filter(({ source, indexValue, rows: found }) => {
      const letter = String.fromCharCode(97 + (Number(indexValue.slice(1)) % 26))
      const row = { user_id: indexValue, text: letter.repeat(2000) }
      return source !== 'ONLINE' || String(found) !== JSON.stringify([row])
    })
    expect(wrong).toEqual([])
  }
})

/** A stack that logs into the lines it gives, on the folder of another. */
async function openLogged(folder?: Stack['folder']) {
  const lines: string[] = []
  const stream: DestinationStream = { write: (line) => void lines.push(line) }
  const opened = await openStack({ log: pino({}, stream), ...(folder && { folder }) })
  return { opened, said: () => lines.join('') }
}

/** Ends a stack in the middle of a refresh, with some of its values online. */
async function cutShort(first: Stack, sql: string, key: readonly string[] = ['user_id']) {
  const { record, target } = await first.view('cut short', sql, key, 'MANUAL')
  const refreshing = first.realtime.refreshInFull(record.id)
  refreshing.catch(() => undefined)
  await expect.poll(() => first.onlineCalls.count('write'), { interval: 1 }).toBeGreaterThan(8)
  await first.close()
  await expect(refreshing).rejects.toThrow()
  return { id: record.id, target }
}

test.each([
  ['one column', ['user_id']],
  ['two columns', ['twice', 'user_id']],
])('a refresh by %s that was cut short goes on where it was, and leaves nothing out', async (_, key) => {
  const first = await openStack()
  const sql = numbered(30_000)
  const { id, target } = await cutShort(first, sql, key)

  const { opened: second, said } = await openLogged(first.folder)
  onTestFinished(() => second.remove())
  const left = await second.catalog.prisma.viewRefresh.findUniqueOrThrow({ where: { viewId: id } })
  expect(left.position).not.toBeNull()
  await second.realtime.start()
  await second.realtime.idle()
  expect(said()).toContain('goes on where it was cut short')
  expect(await second.catalog.prisma.viewRefresh.count()).toBe(0)
  const { refreshedVersion, refreshedAt } = await second.catalog.featureViews.byId(id)
  expect(refreshedVersion).toBe(await second.warehouse.version())
  expect(refreshedAt).toEqual(left.startedAt)
  const values = [...(await second.training(sql, target.indexKey)).keys()]
  expect(values).toHaveLength(30_000)
  for (let from = 0; from < values.length; from += 10_000) {
    const results = await second.expectTraining(target, sql, values.slice(from, from + 10_000))
    expect(results.every(({ source }) => source === 'ONLINE')).toBe(true)
  }
})

test('a refresh that was cut short begins again, and says so, when rows have been appended since', async () => {
  const first = await openStack()
  const sql = numbered(30_000)
  const { id } = await cutShort(first, sql)

  const { opened: second, said } = await openLogged(first.folder)
  onTestFinished(() => second.remove())
  await second.append('users', columns, [['k1', 'Ada', 1]])
  await second.realtime.start()
  await second.realtime.idle()
  expect(said()).toContain('begins again: the warehouse has moved on')
  expect((await second.catalog.featureViews.byId(id)).refreshedVersion).toBe(await second.warehouse.version())
})

test('a refresh resumes behind every kind of key as the scan orders them', async () => {
  const keys = {
    number: 'n::BIGINT - 20000',
    float: "CASE WHEN n = 7 THEN 'nan'::DOUBLE WHEN n = 8 THEN 'inf'::DOUBLE ELSE n / 7 - 900 END",
    decimal: '(n - 20000)::DECIMAL(12,3) / 8',
    day: "DATE '2000-01-01' + (n % 30000)::INT",
    time: "TIMESTAMP '2020-01-01 00:00:00' + to_microseconds(n * 1234567)",
    text: "chr((n % 60000)::INT + 1) || '\"' || n",
  }
  for (const [name, key] of Object.entries(keys)) {
    const sql = `SELECT k, count(*) AS n FROM (SELECT ${key} AS k FROM range(40000) t(n)) GROUP BY k`
    const seen = new Set<unknown>()
    let last: unknown
    for await (const rows of (await stack.warehouse.scan({ sql, key: ['k'] })).batches) {
      for (const row of rows) {
        last = row[0]
        seen.add(last)
      }
      if (seen.size > 9000) break
    }
    const after = last as string | number
    for await (const rows of (await stack.warehouse.scan({ sql, key: ['k'], after: [after] })).batches)
      for (const row of rows) {
        if (seen.has(row[0])) throw new Error(`${name}: ${String(row[0])} came twice`)
        seen.add(row[0])
      }
    const { batches } = await stack.warehouse.scan({ sql: `SELECT count(*) AS k FROM (${sql})`, key: ['k'] })
    for await (const [row] of batches) expect([name, seen.size]).toEqual([name, row?.[0]])
  }
})

test('values of a view with a TTL leave the store after twice that time, however they came there; by hand they stay', async () => {
  const server = await startRedis()
  onTestFinished(server.stop)
  const onRedis = await openStack({ onlineUrl: server.url })
  onTestFinished(() => onRedis.remove())
  const client = new Redis(server.url)
  onTestFinished(() => client.disconnect())
  const sql = 'SELECT user_id, count(*) AS n FROM feature_store.users GROUP BY user_id'
  const views: Record<string, string> = {}
  let queryId = ''
  for (const refresh of ['FULL', 'MANUAL', 'BY_KEY'] as const) {
    queryId = (await onRedis.save(`${sql} -- ${refresh}`, refresh)).id
    const wanted = { name: refresh, queryId, etlId: null, indexKeys: ['user_id'], ttlSeconds: 100, refresh }
    views[refresh] = (await onRedis.realtime.createFeatureView(wanted)).id
  }
  await onRedis.publish('users', columns, [['ada', 'Ada', 1]])
  await onRedis.realtime.idle()
  await onRedis.realtime.refreshInFull(views.MANUAL ?? '')
  const lives = async (name: string) => client.pttl(`fg:e:${views[name]}:vada`)
  for (const name of ['FULL', 'BY_KEY']) {
    expect(await lives(name)).toBeGreaterThan(150_000)
    expect(await lives(name)).toBeLessThanOrEqual(200_000)
  }
  expect(await lives('MANUAL')).toBe(-1)
  await onRedis.lookUp({ queryId, etlPath: null, indexKey: 'user_id' }, ['nobody'])
  const [nobody] = await client.keys('fg:e:*:vnobody')
  expect(await client.pttl(nobody ?? '')).toBeLessThanOrEqual(200_000)
})

test('a watermark that Redis could not be told is not forgotten with the process: no old row is served after both are back', async () => {
  const server = await startRedis({ persistent: true })
  onTestFinished(server.stop)
  const first = await openStack({ onlineUrl: server.url })
  const everyone = 'SELECT user_id, (SELECT count(*) FROM feature_store.users) AS n FROM feature_store.users'
  const { record, target } = await first.view('everyone', everyone, 'user_id', 'FULL')
  await first.publish('users', columns, [['ada', 'Ada', 1]])
  await first.realtime.idle()
  expect(await first.lookUp(target, ['ada'])).toMatchObject([{ source: 'ONLINE' }])

  await server.kill()
  const publish = first.publish('users', columns, [['bob', 'Bob', 1]])
  publish.catch(() => undefined)
  await expect.poll(async () => (await first.catalog.featureViews.byId(record.id)).watermark).not.toBeNull()
  // Nothing more reaches Redis from here, as after a kill.
  first.onlineCalls.failures.set('*', new Error('the process is gone'))
  await server.restart()
  await first.close()
  await expect(publish).rejects.toThrow()
  const client = new Redis(server.url)
  onTestFinished(() => client.disconnect())
  expect(await client.keys('fg:e:*:vada')).toHaveLength(1)
  expect(Number(await client.get(`fg:f:${record.id}`))).toBeLessThan(await versionOf(record.id))

  const second = await openStack({ folder: first.folder, onlineUrl: server.url })
  onTestFinished(() => second.remove())
  await second.realtime.start()
  const [ada] = await second.lookUp(target, ['ada'])
  expect(String(ada?.rows)).toBe('[{"user_id":"ada","n":2}]')
  await second.realtime.idle()
  for (const { source } of await second.expectTraining(target, everyone)) expect(source).toBe('ONLINE')

  async function versionOf(id: string) {
    const again = await openStack({ folder: first.folder, onlineUrl: server.url })
    const { watermark } = await again.catalog.featureViews.byId(id)
    await again.close()
    return watermark ?? 0
  }
})
