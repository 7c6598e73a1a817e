// What the catalog relies on of Prisma's driver adapter and the database behind it.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isUniqueViolation } from '../../src/catalog/database/violations.ts'
import type { Catalog } from '../../src/catalog/open.ts'
import { openAt, type Place } from './place.ts'

export function describeAdapter(getPlace: () => Place) {
  let catalog: Catalog
  let prisma: Catalog['prisma']
  beforeAll(async () => {
    catalog = await openAt(getPlace())
    prisma = catalog.prisma
  })
  afterAll(() => catalog.close())

  const query = { name: 'adapter', sql: '', sqlSha256: '', columns: [] }

  describe('the database', () => {
    it('answers a ping', () => catalog.ping())

    it('keeps instants to the millisecond, wherever the server thinks it is', async () => {
      for (const text of [
        '2026-07-01T12:34:56.789Z',
        '1969-12-31T23:59:59.001Z',
        '0099-03-01T00:00:00.000Z',
      ]) {
        const createdAt = new Date(text)
        const { id } = await prisma.publishJob.create({
          data: { id: text, kind: 'FLOWS', status: 'QUEUED', total: 1, createdAt },
        })
        expect((await prisma.publishJob.findUniqueOrThrow({ where: { id } })).createdAt).toEqual(createdAt)
        expect(await prisma.publishJob.count({ where: { createdAt, id } })).toBe(1)
      }
    })

    it("writes its own clock's time, not its time zone's", async () => {
      const before = Date.now()
      const { createdAt } = await prisma.publishJob.create({
        data: { id: 'now', kind: 'FLOWS', status: 'QUEUED', total: 1 },
      })
      expect(Math.abs(createdAt.getTime() - before)).toBeLessThan(60_000)
    })

    it('keeps JSON, bytes, big integers, floats and arrays as they are', async () => {
      const json = {
        a: [1, 1.5, -2e-9, '\u2028"\\', null, true, { 'ü 🦆': {} }],
        big: 2 ** 53,
        long: 'x'.repeat(100_000),
      }
      const tags = ['', ' ', 'NULL', 'null', 'a,b', '{}', '"', '\\', "'", '🦆', 'a\nb', '\t']
      const saved = await prisma.savedQuery.create({
        data: { ...query, id: 'types', version: 1, columns: json, tags },
      })
      expect(saved.columns).toEqual(json)
      expect(await prisma.savedQuery.findUniqueOrThrow({ where: { id: 'types' } })).toEqual(saved)
      expect(saved.tags).toEqual(tags)
      expect(await prisma.savedQuery.count({ where: { tags: { has: 'a,b' } } })).toBe(1)

      for (const [i, rowCount] of [2n ** 63n - 1n, -(2n ** 63n), 0n, 2n ** 53n + 1n].entries()) {
        const progress = [0.1 + 0.2, 5e-324, 1e300, -2.5][i] ?? 0
        const data = { id: `dst_${i}`, status: 'QUEUED', sql: '', rowCount, progress } as const
        expect(await prisma.dataset.create({ data })).toMatchObject({ rowCount, progress })
      }

      const payload = new Uint8Array(2 ** 20).map((_, i) => i % 251)
      const data = { id: 'bytes', kind: 'ROWS', status: 'QUEUED', total: 1, payload } as const
      expect(Buffer.from((await prisma.publishJob.create({ data })).payload ?? []).equals(payload)).toBe(true)
      const { payload: read } = await prisma.publishJob.findUniqueOrThrow({ where: { id: 'bytes' } })
      expect(Buffer.from(read ?? []).equals(payload)).toBe(true)
    })

    it('tells a unique violation from other failures', async () => {
      const data = { ...query, id: 'twice', name: 'twice', version: 7 }
      await prisma.savedQuery.create({ data })
      const again = await prisma.savedQuery.create({ data: { ...data, id: 'other' } }).catch((error) => error)
      expect(isUniqueViolation(again)).toBe(true)
      const other = await prisma.$queryRaw`SELECT 1/0`.catch((error) => error)
      expect(other).toBeInstanceOf(Error)
      expect(isUniqueViolation(other)).toBe(false)
    })

    it('undoes a transaction that throws, and one that fails in the database', async () => {
      const create = (id: string) => ({ data: { ...query, id, name: id, version: 1 } })
      const thrown = prisma.$transaction(async (tx) => {
        await tx.savedQuery.create(create('undone'))
        throw new Error('of its own accord')
      })
      await expect(thrown).rejects.toThrow('of its own accord')
      const failed = prisma.$transaction([
        prisma.savedQuery.create(create('undone')),
        prisma.savedQuery.create(create('undone')),
      ])
      expect(isUniqueViolation(await failed.catch((error) => error))).toBe(true)
      expect(await prisma.savedQuery.count({ where: { id: 'undone' } })).toBe(0)
      await prisma.savedQuery.create(create('undone'))
    })

    it('keeps what runs beside a transaction out of it', async () => {
      const inside = Promise.withResolvers<void>()
      const rollingBack = prisma.$transaction(async (tx) => {
        await tx.savedQuery.create({ data: { ...query, id: 'inside', name: 'inside', version: 1 } })
        inside.resolve()
        await tx.$queryRaw`SELECT 1`
        throw new Error('rolled back')
      })
      await inside.promise
      const beside = prisma.savedQuery.create({
        data: { ...query, id: 'beside', name: 'beside', version: 1 },
      })
      await expect(rollingBack).rejects.toThrow('rolled back')
      await beside
      const kept = await prisma.savedQuery.findMany({ where: { id: { in: ['inside', 'beside'] } } })
      expect(kept.map(({ id }) => id)).toEqual(['beside'])
    })

    it('isolates a transaction as it was asked to', async () => {
      const level = await prisma.$transaction(
        async (tx) =>
          tx.$queryRaw<{ level: string }[]>`SELECT current_setting('transaction_isolation') AS level`,
        { isolationLevel: 'Serializable' },
      )
      expect(level).toEqual([{ level: 'serializable' }])
    })

    it('answers hundreds of queries at once, each with its own answer', async () => {
      const asked = Array.from({ length: 500 }, (_, i) => i)
      const answers = await Promise.all(
        asked.map((i) => prisma.$queryRaw<{ n: number }[]>`SELECT ${i}::int AS n`),
      )
      expect(answers.map(([row]) => row?.n)).toEqual(asked)
    })

    it('goes on after a statement that it could not read', async () => {
      await expect(prisma.$queryRawUnsafe('SELEC nonsense')).rejects.toThrow(/syntax/)
      await catalog.ping()
    })
  })
}
