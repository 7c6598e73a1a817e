// Publishing from its start to its end, on a real catalog, warehouse and online store.

import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { createFlowGenerator } from '../../src/demo/flows.ts'
import { AppError } from '../../src/errors.ts'
import type { PublishProgress } from '../../src/publish/progress.ts'
import { toText } from '../../src/values/byte-text.ts'
import type { Value } from '../../src/values/columns.ts'
import { createDataFolder } from '../data-folder.ts'
import { writer } from '../limits.ts'
import { testLog } from '../parts.ts'
import { type Gateway, type GatewayOptions, openGateway } from './gateway.ts'

const log = testLog()
let gateway: Gateway
/** Of a gateway that one test has for itself. */
let folder: Awaited<ReturnType<typeof createDataFolder>> | undefined

async function open(options: Partial<GatewayOptions> = {}) {
  folder ??= await createDataFolder('publish')
  gateway = await openGateway({ folder: folder.path, log, ...options })
  before = {}
}

async function reopen(options: Partial<GatewayOptions> = {}) {
  await gateway.close()
  await open(options)
}

type Fate = 'before' | 'after' | null

/** How the next append of the shared gateway fares: it may fail before it is committed, or after, when nobody learns that it was. */
let fateOf: () => Fate = () => null
let shared: { gateway: Gateway; folder: Awaited<ReturnType<typeof createDataFolder>> } | undefined

async function openShared() {
  const sharedFolder = await createDataFolder('publish')
  const opened = await openGateway({
    folder: sharedFolder.path,
    log,
    wrapWarehouse: (warehouse) => ({
      ...warehouse,
      async append(request) {
        const fate = fateOf()
        if (fate === 'before') throw new AppError('WAREHOUSE_FAILED', 'The warehouse is out.')
        const result = await warehouse.append(request)
        if (fate === 'after') throw new AppError('WAREHOUSE_FAILED', 'The warehouse is out.')
        return result
      },
    }),
  })
  await opened.publishing.start()
  return { gateway: opened, folder: sharedFolder }
}

/** The gateway of all tests that neither stop it nor need one made otherwise: it publishes, and holds what others have written. */
async function share() {
  shared ??= await openShared()
  gateway = shared.gateway
  before = {}
  for (const table of ['users', 'quotes', 'transactions', 'policies'])
    before[table] = Number(await countOf(table))
}

afterEach(async () => {
  fateOf = () => null
  if (folder === undefined) return
  await gateway.close()
  await folder.remove()
  folder = undefined
})

afterAll(async () => {
  await shared?.gateway.close()
  await shared?.folder.remove()
})

async function ask(sql: string): Promise<Value | undefined> {
  const { rows } = await gateway.warehouse.lookup({
    sql: `SELECT 1 AS one, (${sql}) AS answer`,
    key: ['one'],
    values: [[1]],
  })
  return rows[0]?.[1]
}

/** The rows of each table when the test began. */
let before: Record<string, number> = {}

/** How many rows the test has written. */
async function countOf(table: string): Promise<number> {
  const all = await ask(`SELECT count(*)::INTEGER FROM feature_store.${table}`)
  return Number(all) - (before[table] ?? 0)
}

/** Follows a job until `enough`, or its end. */
async function follow(jobId: string, enough: (progress: PublishProgress) => boolean = () => false) {
  const seen: PublishProgress[] = []
  for await (const progress of gateway.publishing.progress(jobId)) {
    seen.push(progress)
    if (enough(progress)) break
  }
  return seen
}

async function expectUsersOnce() {
  expect(await ask('SELECT (count(*) - count(DISTINCT user_id))::INTEGER FROM feature_store.users')).toBe(0)
}

async function expectParity(viewId: string, sample = 500) {
  const report = await gateway.realtime.parity(viewId, sample)
  expect(report).toMatchObject({ mismatched: 0, missing: 0, extra: 0 })
}

describe('publish', () => {
  it('writes every flow, serves every user, and says when it is done', async () => {
    await share()
    const { view } = await gateway.serveSample()
    const job = await gateway.publishing.publish({ nFlows: 1000 })
    expect(job).toMatchObject({ kind: 'FLOWS', status: 'QUEUED', total: 1000, done: 0, error: null })
    expect(job.seed).toBeTypeOf('number')
    const ended = await gateway.publishing.wait(job.id)
    expect(ended).toMatchObject({ status: 'SUCCEEDED', done: 1000, error: null, seed: job.seed })
    expect(ended.finishedAt?.getTime()).toBeGreaterThanOrEqual(ended.startedAt?.getTime() ?? Number.NaN)
    expect(await countOf('quotes')).toBe(1000)
    expect(await countOf('users')).toBe(800)
    expect(await countOf('transactions')).toBe(640)
    expect(await countOf('policies')).toBe(320)
    await expectParity(view.id)
  })

  it('counts a flow as done only once its user is served', async () => {
    await share()
    const { view } = await gateway.serveSample()
    const job = await gateway.publishing.publish({ nFlows: 6000, seed: 5 })
    const generate = createFlowGenerator({ seed: 5, run: 0 })
    let steps = 0
    let last = 0
    for await (const { done } of gateway.publishing.progress(job.id)) {
      expect(done).toBeGreaterThanOrEqual(last)
      const users = generate(last, done).find(({ table }) => table === 'users')?.rows ?? []
      const values = users.map(([userId]) => String(userId))
      const [answer] = await gateway.online.read([{ view: view.id, values }])
      expect(answer?.entries.filter((entry) => entry === null)).toEqual([])
      if (done > last) steps++
      last = done
    }
    expect(last).toBe(6000)
    expect(steps).toBeGreaterThan(1)
  })

  it('with a seed writes the same rows anywhere, and with ids of their own the second time', async () => {
    await open()
    await gateway.publishing.start()
    const generated = createFlowGenerator({ seed: 42, run: 0 })(0, 1)
    const quoteId = String(generated.find(({ table }) => table === 'quotes')?.rows[0]?.[0])
    for (let run = 0; run < 2; run++) {
      const { id } = await gateway.publishing.publish({ nFlows: 300, seed: 42 })
      expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED' })
      expect(
        await ask(`SELECT count(*)::INTEGER FROM feature_store.quotes WHERE quote_id = '${quoteId}'`),
      ).toBe(1)
    }
    expect(await countOf('quotes')).toBe(600)
    expect(await ask('SELECT count(DISTINCT quote_id)::INTEGER FROM feature_store.quotes')).toBe(600)
    expect(
      await ask('SELECT count(DISTINCT creation_date)::INTEGER FROM feature_store.quotes'),
    ).toBeLessThanOrEqual(300)
  })

  it('gives jobs of one seed that begin at once ids of their own', async () => {
    await share()
    const jobs = await Promise.all(
      Array.from({ length: 6 }, () => gateway.publishing.publish({ nFlows: 100, seed: -7 })),
    )
    await Promise.all(jobs.map(({ id }) => gateway.publishing.wait(id)))
    expect(await countOf('users')).toBe(480)
    await expectUsersOnce()
  })

  it('runs so many jobs at once and no more, and finishes them all', async () => {
    await share()
    const { view } = await gateway.serveSample()
    const jobs = await Promise.all(
      Array.from({ length: 7 }, (_, seed) => gateway.publishing.publish({ nFlows: 3000, seed })),
    )
    let most = 0
    const watch = async (id: string) => {
      for await (const _ of gateway.publishing.progress(id)) {
        const running = await gateway.catalog.prisma.publishJob.count({ where: { status: 'RUNNING' } })
        most = Math.max(most, running)
      }
    }
    await Promise.all(jobs.map(({ id }) => watch(id)))
    expect(most).toBe(4)
    for (const { id } of jobs) {
      expect(await gateway.catalog.publishJobs.byId(id)).toMatchObject({ status: 'SUCCEEDED', done: 3000 })
    }
    expect(await countOf('quotes')).toBe(21_000)
    expect(await countOf('users')).toBe(16_800)
    await expectUsersOnce()
    await expectParity(view.id)
  })
})

describe('progress', () => {
  it('goes from where the job stands to its end, at least four times a second, with rate and remaining time', {
    retry: 3,
  }, async () => {
    await share()
    await gateway.serveSample()
    const { id } = await gateway.publishing.publish({ nFlows: 20_000 })
    const begin = performance.now()
    const seen = await follow(id)
    const seconds = (performance.now() - begin) / 1000
    expect(seen.length).toBeGreaterThanOrEqual(Math.floor(seconds * 4))
    expect(seen.at(-1)).toMatchObject({ jobId: id, status: 'SUCCEEDED', done: 20_000, etaSeconds: 0 })
    expect(seen.at(-1)?.flowsPerSecond).toBeGreaterThan(0)
    const inTheMiddle = seen.filter(({ status, done }) => status === 'RUNNING' && done > 0 && done < 20_000)
    expect(inTheMiddle.length).toBeGreaterThan(1)
    for (const { flowsPerSecond, etaSeconds } of inTheMiddle) {
      expect(flowsPerSecond).toBeGreaterThan(0)
      expect(etaSeconds).toBeGreaterThan(0)
    }
    expect(await follow(id)).toEqual([seen.at(-1)])
  })

  it('completes when publishing closes, and waiting answers with the job as it stands', async () => {
    await open()
    await gateway.publishing.start()
    const { id } = await gateway.publishing.publish({ nFlows: 1_000_000 })
    const waiting = gateway.publishing.wait(id)
    const leaving = new AbortController()
    const left = gateway.publishing.wait(id, { signal: leaving.signal })
    await follow(id, ({ done }) => done > 0)
    leaving.abort()
    expect(await left).toMatchObject({ status: 'RUNNING' })
    const following = follow(id)
    await gateway.publishing.close()
    expect((await following).at(-1)?.status).not.toBe('SUCCEEDED')
    expect(await waiting).toMatchObject({ status: 'RUNNING' })
  })
})

describe('a restart', () => {
  it('goes on with running and queued jobs where they stood', async () => {
    await open({ concurrency: 1 })
    await gateway.publishing.start()
    const first = await gateway.publishing.publish({ nFlows: 30_000, seed: 1 })
    const second = await gateway.publishing.publish({ nFlows: 500, seed: 2 })
    await follow(first.id, ({ done }) => done > 0)
    await reopen()
    expect((await gateway.catalog.publishJobs.byId(first.id)).done).toBeLessThan(30_000)
    await gateway.publishing.start()
    for (const { id, total } of [first, second]) {
      expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED', done: total })
    }
    expect(await countOf('quotes')).toBe(30_500)
    expect(await ask('SELECT count(DISTINCT quote_id)::INTEGER FROM feature_store.quotes')).toBe(30_500)
  })

  it('takes up a job that was stored and never queued', async () => {
    await open()
    const { id } = await gateway.catalog.publishJobs.create({ kind: 'FLOWS', total: 10, seed: 3 })
    await gateway.publishing.start()
    expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED', done: 10 })
  })

  it('is not needed for a job that was stored and did not come into the queue, since the catalog went away in between', async () => {
    await share()
    const { id } = await gateway.catalog.publishJobs.create({ kind: 'FLOWS', total: 10, seed: 3 })
    expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED', done: 10 })
    expect(await countOf('quotes')).toBe(10)
  })
})

describe('cancel', () => {
  it('ends a running job between two batches; what it wrote stays, is served, and is what the answer says', async () => {
    await share()
    const { view } = await gateway.serveSample()
    const { id } = await gateway.publishing.publish({ nFlows: 1_000_000 })
    const following = follow(id)
    await follow(id, ({ done }) => done > 0)
    const cancelled = await gateway.publishing.cancel(id)
    expect(cancelled).toMatchObject({ status: 'CANCELLED', total: 1_000_000 })
    expect(cancelled.done).toBeGreaterThan(0)
    expect(cancelled.done).toBeLessThan(1_000_000)
    expect(await countOf('quotes')).toBe(cancelled.done)
    expect((await following).at(-1)).toMatchObject({ status: 'CANCELLED', done: cancelled.done })
    await expectParity(view.id)
  })

  it('ends a queued job before it begins', async () => {
    await open({ concurrency: 1 })
    await gateway.publishing.start()
    const running = await gateway.publishing.publish({ nFlows: 1_000_000 })
    await follow(running.id, ({ done }) => done > 0)
    const queued = await gateway.publishing.publish({ nFlows: 10 })
    expect(await gateway.publishing.cancel(queued.id)).toMatchObject({
      status: 'CANCELLED',
      done: 0,
      startedAt: null,
    })
    await gateway.publishing.cancel(running.id)
    const next = await gateway.publishing.publish({ nFlows: 10 })
    expect(await gateway.publishing.wait(next.id)).toMatchObject({ status: 'SUCCEEDED' })
    expect(await gateway.catalog.publishJobs.byId(queued.id)).toMatchObject({ status: 'CANCELLED', done: 0 })
  })

  it('of a job that a process left half done first serves what that one had written', async () => {
    await open()
    const { view } = await gateway.serveSample()
    await gateway.publishing.start()
    const { id } = await gateway.publishing.publish({ nFlows: 1_000_000 })
    await follow(id, ({ done }) => done > 0)
    await reopen()
    const cancelled = await gateway.publishing.cancel(id)
    expect(cancelled.status).toBe('CANCELLED')
    expect(await countOf('quotes')).toBe(cancelled.done)
    await expectParity(view.id)
  })
})

describe('ingest', () => {
  const odd = ["' OR 1=1 --", '0012', '🦊🏳️‍🌈', '', 'x'.repeat(10_000), 'a\u0000b', '"quoted"', 'line\nbreak']

  it('writes rows as they are, serves them, and keeps them with the job only until then', async () => {
    await share()
    const { query, view } = await gateway.serveSample()
    const rows = odd.map((userId, i) => ({
      user_id: userId,
      quote_id: `q${i}`,
      is_binded: i % 2 === 0,
      creation_date: i,
    }))
    const job = await gateway.publishing.ingest({ table: 'quotes', rows })
    expect(job).toMatchObject({ kind: 'ROWS', total: odd.length, table: 'quotes', seed: null })
    const ended = await gateway.publishing.wait(job.id)
    expect(ended).toMatchObject({ status: 'SUCCEEDED', done: odd.length })
    const stored = await gateway.catalog.prisma.publishJob.findUniqueOrThrow({ where: { id: job.id } })
    expect(stored.payload).toBeNull()
    const target = { queryId: query.id, etlPath: null, indexKey: 'user_id' }
    const results = await gateway.realtime.createLoader(writer).load(target, odd)
    for (const [i, result] of results.entries()) {
      if (result instanceof AppError) throw result
      expect(result).toMatchObject({ indexValue: odd[i], source: 'ONLINE', status: 'FRESH' })
      expect(JSON.parse(toText(result.rows))).toMatchObject([
        { user_id: odd[i], is_binded: i % 2 === 0, creation_date: i },
      ])
    }
    await expectParity(view.id)
  })

  it('writes many rows at once, and each of them once though a restart comes between', async () => {
    await open()
    const rows = Array.from({ length: 30_000 }, (_, i) => ({ user_id: `u${i}`, name: `User ${i}` }))
    const { id } = await gateway.publishing.ingest({ table: 'feature_store.users', rows })
    await gateway.publishing.start()
    await follow(id, ({ status }) => status === 'RUNNING')
    await reopen()
    expect([0, 30_000]).toContain(await countOf('users'))
    await gateway.publishing.start()
    expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED', done: 30_000 })
    expect(await countOf('users')).toBe(30_000)
    expect(await ask('SELECT count(DISTINCT user_id)::INTEGER FROM feature_store.users')).toBe(30_000)
  })

  describe('under an idempotency key', () => {
    const rows = [{ user_id: 'u1' }, { user_id: 'u2' }]
    const ingest = (changes: { table?: string; rows?: unknown; idempotencyKey?: string } = {}) =>
      gateway.publishing.ingest({ table: 'users', rows, idempotencyKey: 'key', ...changes })

    it('is the same job again, however many ask at once, before and after a restart', async () => {
      await open()
      await gateway.publishing.start()
      const asked = await Promise.all(Array.from({ length: 8 }, () => ingest()))
      const [id = ''] = asked.map((job) => job.id)
      expect(new Set(asked.map((job) => job.id))).toEqual(new Set([id]))
      expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED', done: 2 })
      await reopen()
      await gateway.publishing.start()
      expect(await ingest()).toMatchObject({ id, status: 'SUCCEEDED' })
      expect(await countOf('users')).toBe(2)
    })

    it('is a conflict for other rows or another table', async () => {
      await open()
      const { id } = await ingest()
      for (const changes of [{ rows: [...rows].reverse() }, { rows: [] }, { table: 'quotes' }])
        await expect(ingest(changes)).rejects.toMatchObject({ code: 'CONFLICT', details: { jobId: id } })
      expect((await ingest({ idempotencyKey: 'other' })).id).not.toBe(id)
      for (const idempotencyKey of ['', ' ', 'a\nb', 'x'.repeat(256)])
        await expect(ingest({ idempotencyKey })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
    })

    it('is not used up by rows that were refused, and is free again after a week', async () => {
      await open()
      await expect(ingest({ rows: [{ user_id: 7 }] })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
      const { id } = await ingest()
      const createdAt = new Date(Date.now() - 7 * 86_400_000 - 1000)
      await gateway.catalog.prisma.publishJob.update({ where: { id }, data: { createdAt } })
      expect((await ingest({ rows: [{ user_id: 'u3' }] })).id).not.toBe(id)
    })

    it('keeps its job that long, however soon others are forgotten', async () => {
      await open()
      await gateway.publishing.start()
      const jobs = await Promise.all([ingest(), gateway.publishing.ingest({ table: 'users', rows })])
      for (const { id } of jobs) await gateway.publishing.wait(id)
      expect(await gateway.catalog.publishJobs.removeEndedBefore(new Date(Date.now() + 1000))).toBe(1)
      expect((await ingest()).id).toBe(jobs[0].id)
    })
  })

  it('goes on by batches with rows of a job from before, which may have begun so', async () => {
    await open()
    const rows = Array.from({ length: 10_000 }, (_, i) => [`u${i}`])
    const payload = new Uint8Array(gzipSync(JSON.stringify({ columns: ['user_id'], rows })))
    const job = { kind: 'ROWS', total: rows.length, table: 'users', payload } as const
    const { id } = await gateway.catalog.publishJobs.create(job)
    const tables = [{ table: 'users', columns: ['user_id'], rows: rows.slice(0, 4000) }]
    await gateway.warehouse.append({ jobId: id, batch: 0, tables })
    await gateway.publishing.start()
    expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED', done: 10_000 })
    expect(await countOf('users')).toBe(10_000)
  })
})

describe('a warehouse that fails', () => {
  it('for a moment delays a job and doubles nothing', async () => {
    await share()
    const { view } = await gateway.serveSample()
    const fates: Fate[] = ['before', 'after', null, 'after', 'before', 'after']
    fateOf = () => fates.shift() ?? null
    const { id } = await gateway.publishing.publish({ nFlows: 2000 })
    expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED', done: 2000 })
    expect(await countOf('quotes')).toBe(2000)
    await expectParity(view.id)
  })

  const rows = [{ user_id: 'u1' }]

  async function shareOut(isLost = false) {
    const state = { out: false }
    await share()
    fateOf = () => (state.out ? (isLost ? 'after' : 'before') : null)
    return state
  }

  const isWaiting = ({ waitingFor }: PublishProgress) => waitingFor === 'The warehouse is out.'

  it('however long holds a job up, which says so, and goes on once it is back', async () => {
    const state = await shareOut()
    state.out = true
    const flows = await gateway.publishing.publish({ nFlows: 2000 })
    const ingest = await gateway.publishing.ingest({ table: 'users', rows })
    for (const { id } of [flows, ingest]) {
      expect((await follow(id, isWaiting)).at(-1)).toMatchObject({ status: 'RUNNING', done: 0 })
      await expect
        .poll(() => gateway.catalog.publishJobs.byId(id))
        .toMatchObject({ status: 'RUNNING', waitingFor: 'The warehouse is out.' })
    }
    state.out = false
    for (const { id, total } of [flows, ingest]) {
      const ended = { status: 'SUCCEEDED', done: total, error: null, waitingFor: null }
      expect(await gateway.publishing.wait(id)).toMatchObject(ended)
    }
    expect(await countOf('quotes')).toBe(2000)
  })

  it('holds a cancelled job up only until it is known what of it was written, and nothing is written after that', async () => {
    const state = await shareOut()
    state.out = true
    const { id } = await gateway.publishing.ingest({ table: 'users', rows })
    await follow(id, isWaiting)
    const cancelling = gateway.publishing.cancel(id)
    state.out = false
    expect(await cancelling).toMatchObject({ status: 'CANCELLED', done: 0, waitingFor: null })
    expect(await countOf('users')).toBe(0)
  })

  it('that has written the rows, its answer alone lost, has them counted and served though they are cancelled', async () => {
    const state = await shareOut(true)
    const { view } = await gateway.serveSample()
    state.out = true
    const quotes = [{ quote_id: 'q1', user_id: 'u1' }]
    const { id } = await gateway.publishing.ingest({ table: 'quotes', rows: quotes })
    await follow(id, isWaiting)
    // All that there was to write is written, so there is nothing left to cancel.
    const cancelled = expect(gateway.publishing.cancel(id)).rejects.toMatchObject({ code: 'CONFLICT' })
    state.out = false
    await cancelled
    expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED', done: 1 })
    expect(await countOf('quotes')).toBe(1)
    await expectParity(view.id)
  })

  it('holds no job up that is cancelled before anything of it can be written', async () => {
    const failure = new AppError('WAREHOUSE_FAILED', 'The warehouse is out.')
    const state = { out: false }
    await open({
      wrapWarehouse: (warehouse) => ({
        ...warehouse,
        tables: async () => {
          if (state.out) throw failure
          return warehouse.tables()
        },
      }),
    })
    const { id } = await gateway.publishing.ingest({ table: 'users', rows })
    state.out = true
    await gateway.publishing.start()
    await follow(id, isWaiting)
    expect(await gateway.publishing.cancel(id)).toMatchObject({ status: 'CANCELLED', done: 0 })
  })

  it('by something that nobody knows to pass fails the job in the end, and the next job finds its way', async () => {
    let failure: Error | null = new Error('A fault of the code')
    await open({
      wrapWarehouse: (warehouse) => ({
        ...warehouse,
        append: async (request) => {
          if (failure !== null) throw failure
          return warehouse.append(request)
        },
      }),
    })
    await gateway.publishing.start()
    const broken = await gateway.publishing.ingest({ table: 'users', rows })
    const error = 'The gateway met an unexpected failure; its log says more.'
    expect(await gateway.publishing.wait(broken.id)).toMatchObject({ status: 'FAILED', error, payload: null })
    failure = new AppError('BAD_USER_INPUT', 'Not so.')
    const refused = await gateway.publishing.ingest({ table: 'users', rows })
    expect(await gateway.publishing.wait(refused.id)).toMatchObject({ status: 'FAILED', error: 'Not so.' })
    failure = null
    const next = await gateway.publishing.ingest({ table: 'users', rows })
    expect(await gateway.publishing.wait(next.id)).toMatchObject({ status: 'SUCCEEDED', done: 1 })
  })
})

describe('feature views that cannot be refreshed', () => {
  it('hold the job up at the last batch that they serve; what was written beyond is served once they can be', async () => {
    let out = true
    await open({
      wrapRealtime: ({ keysRead, onAppended }) => ({
        keysRead,
        async onAppended(change) {
          if (out && change.version === 2)
            throw new AppError('ONLINE_STORE_UNAVAILABLE', 'The online store is out.')
          await onAppended(change)
        },
      }),
    })
    const { view } = await gateway.serveSample()
    await gateway.publishing.start()
    const { id } = await gateway.publishing.publish({ nFlows: 5000 })
    const last = (await follow(id, ({ waitingFor }) => waitingFor !== null)).at(-1)
    expect(last).toMatchObject({ status: 'RUNNING', waitingFor: 'The online store is out.', done: 250 })
    out = false
    expect(await gateway.publishing.wait(id)).toMatchObject({ status: 'SUCCEEDED', done: 5000 })
    expect(await countOf('quotes')).toBe(5000)
    await expectParity(view.id)
  })
})

describe('a job that another process ends', () => {
  it('stops here after the batch in hand, which is served, and makes room for the next', async () => {
    await open({ concurrency: 1 })
    const { view } = await gateway.serveSample()
    await gateway.publishing.start()
    const { id } = await gateway.publishing.publish({ nFlows: 1_000_000 })
    await follow(id, ({ done }) => done > 0)
    await gateway.catalog.publishJobs.update(id, { status: 'CANCELLED' })
    const next = await gateway.publishing.publish({ nFlows: 10 })
    expect(await gateway.publishing.wait(next.id)).toMatchObject({ status: 'SUCCEEDED' })
    const ended = await gateway.catalog.publishJobs.byId(id)
    expect(ended.status).toBe('CANCELLED')
    expect(await countOf('quotes')).toBeGreaterThan(ended.done)
    await expectParity(view.id)
  })
})
