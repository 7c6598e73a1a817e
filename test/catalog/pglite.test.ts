// The catalog's promises on PGlite, and what only a folder can suffer: kills, and preparations cut short.

import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeAdapter } from './adapter.contract.ts'
import { describeNouns } from './nouns.contract.ts'
import { createNewPglitePlace, createPglitePlace, openAt, type Place } from './place.ts'
import { startProcess } from './process.ts'
import { describeQueue } from './queue.contract.ts'

describe('a catalog on PGlite', () => {
  let shared: Place
  beforeAll(async () => {
    shared = await createPglitePlace()
  })
  afterAll(() => shared.remove())
  // Each in a describe of its own, so that one has closed the catalog before the next opens it.
  describe('its nouns', () => describeNouns(() => shared))
  describe('its adapter', () => describeAdapter(() => shared))
  describeQueue(() => shared, { handedOutWithinMs: 5000 })

  it('has every query that was acknowledged before its process was killed', async () => {
    const place = await createPglitePlace()
    const acknowledged: string[] = []
    for (const count of [50, 200]) {
      const killed = startProcess(place, 'save')
      await killed.said(count)
      await killed.kill()
      acknowledged.push(...killed.lines.slice(2))
    }
    const catalog = await openAt(place)
    const kept = new Set(
      (await catalog.prisma.savedQuery.findMany({ select: { id: true } })).map(({ id }) => id),
    )
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
    await catalog.close()
    await place.remove()
  }, 90_000)

  it('fails the datasets that a killed process was making, and no ended one', async () => {
    const place = await createPglitePlace()
    const killed = startProcess(place, 'train')
    await killed.said(3)
    await killed.kill()
    const catalog = await openAt(place)
    const { id } = await catalog.datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' })
    await catalog.datasets.update(id, { status: 'CANCELLED' })
    expect(await catalog.datasets.failOrphans('gone')).toBe(1)
    expect(await catalog.datasets.failOrphans('gone again')).toBe(0)
    const failed = { status: 'FAILED', error: 'gone', errorCode: 'INTERNAL' }
    expect(await catalog.datasets.byId(killed.lines[2] ?? '')).toMatchObject(failed)
    expect(await catalog.datasets.byId(id)).toMatchObject({ status: 'CANCELLED', error: null })
    await catalog.close()
    await place.remove()
  })

  it('leaves training sets of killed processes to the next, and fails those that ended several', async () => {
    const place = await createPglitePlace()
    const { datasets, close } = await openAt(place)
    const made = { queryId: null, etlId: null, sql: '' }
    const { id } = await datasets.create({ ...made, trainingSet: { name: null } })
    const other = await datasets.create(made)
    for (let takeovers = 1; takeovers <= 2; takeovers++) {
      expect(await datasets.leaveOrphans()).toBe(1)
      expect(await datasets.takeHandedBack()).toMatchObject({ id, takeovers, status: 'QUEUED' })
      await datasets.update(id, { status: 'RUNNING' })
    }
    expect(await datasets.leaveOrphans()).toBe(0)
    expect(await datasets.failOrphans('gone')).toBe(2)
    for (const each of [id, other.id]) expect(await datasets.byId(each)).toMatchObject({ status: 'FAILED' })
    await close()
    await place.remove()
  })

  it('opens after its very first start was killed, at whatever moment', async () => {
    for (const delayMs of [300, 1800]) {
      const place = await createNewPglitePlace()
      const killed = startProcess(place, 'prepare')
      await killed.said(1)
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      await killed.kill()
      const catalog = await openAt(place)
      await catalog.savedQueries.save({ name: 'a', sql: 'SELECT 1', columns: [] })
      await catalog.close()
      await place.remove()
    }
  }, 120_000)

  it('prepares a folder anew that it did not finish preparing, and only that; other accounts may not look into it', async () => {
    const place = await createNewPglitePlace()
    await mkdir(join(place.folder, 'base'), { recursive: true })
    await writeFile(join(place.folder, 'PG_VERSION'), '18\n')
    await writeFile(`${place.folder}.unprepared`, '')
    const first = await openAt(place)
    await first.savedQueries.save({ name: 'a', sql: 'SELECT 1', columns: [] })
    await first.close()
    expect(await readdir(join(place.folder, '..'))).toEqual(['catalog'])
    expect((await stat(place.folder)).mode & 0o077).toBe(0)
    const second = await openAt(place)
    expect((await second.savedQueries.newestByName('a'))?.version).toBe(1)
    await second.close()
    await place.remove()
  })
})
