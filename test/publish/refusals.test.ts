// What publishing refuses, on one gateway that runs throughout: nothing of it may leave a job or a row behind.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { testLog } from '../parts.ts'
import { type Gateway, openGateway } from './gateway.ts'

let folder: Awaited<ReturnType<typeof createDataFolder>>
let gateway: Gateway

beforeAll(async () => {
  folder = await createDataFolder('publish')
  gateway = await openGateway({ folder: folder.path, log: testLog() })
  await gateway.publishing.start()
})

afterAll(async () => {
  await gateway.close()
  await folder.remove()
})

function jobCount(): Promise<number> {
  return gateway.catalog.prisma.publishJob.count()
}

describe('publish', () => {
  it('takes whole numbers within their bounds for flows and seeds, and says so', async () => {
    const before = await jobCount()
    for (const nFlows of [0, -1, 1.5, 10_000_001, Number.NaN]) {
      await expect(gateway.publishing.publish({ nFlows })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringMatching(/^nFlows is .* from 1 to 10000000\.$/),
      })
    }
    for (const seed of [1.5, 2 ** 31]) {
      await expect(gateway.publishing.publish({ nFlows: 1, seed })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
      })
    }
    expect(await jobCount()).toBe(before)
  })
})

describe('ingest', () => {
  it('writes nothing when one row is faulty', async () => {
    const before = await jobCount()
    const version = await gateway.warehouse.version()
    const rows = [{ user_id: 'u1' }, { user_id: 'u2', age: 7 }, { user_id: 3 }]
    await expect(gateway.publishing.ingest({ table: 'users', rows })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { faultCount: 2 },
    })
    expect(await jobCount()).toBe(before)
    expect(await gateway.warehouse.version()).toBe(version)
  })

  it('into a table that is not there names those that are', async () => {
    await expect(gateway.publishing.ingest({ table: 'people', rows: [{}] })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { tables: ['policies', 'quotes', 'transactions', 'users'] },
    })
  })
})

describe('a job that is not there', () => {
  it('has no progress, no end and nothing to cancel: NOT_FOUND', async () => {
    const first = gateway.publishing.progress('job_unknown')[Symbol.asyncIterator]().next()
    await expect(first).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(gateway.publishing.wait('job_unknown')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(gateway.publishing.cancel('job_unknown')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('cancel', () => {
  it('is a CONFLICT once the job has ended, and says how', async () => {
    const { id } = await gateway.publishing.publish({ nFlows: 10 })
    await gateway.publishing.wait(id)
    await expect(gateway.publishing.cancel(id)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('SUCCEEDED'),
    })
  })
})
