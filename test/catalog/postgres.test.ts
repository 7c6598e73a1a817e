import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCatalog } from '../../src/catalog/open.ts'
import { freePort } from '../servers/child.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { describeAdapter } from './adapter.contract.ts'
import { describeNouns } from './nouns.contract.ts'
import { createPostgresPlace, openAt, type Place, quiet } from './place.ts'
import { startProcess } from './process.ts'
import { describeQueue } from './queue.contract.ts'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

const createPlace = () => createPostgresPlace(server)

describe('a catalog on PostgreSQL', () => {
  let shared: Place
  beforeAll(async () => {
    shared = await createPlace()
  })
  afterAll(() => shared.remove())
  describeNouns(() => shared)
  describeAdapter(() => shared)
  describeQueue(() => shared, { handedOutWithinMs: 60_000 })

  it('is opened by many processes at once for the first time', async () => {
    const place = await createPlace()
    const processes = Array.from({ length: 4 }, () => startProcess(place, 'prepare'))
    await Promise.all(processes.map((each) => each.said(2)))
    const catalogs = await Promise.all(Array.from({ length: 3 }, () => openAt(place)))
    await Promise.all(catalogs.map((catalog) => catalog.close()))
    await Promise.all(processes.map((each) => each.kill()))
    await place.remove()
  })

  it('gives a job to one of two processes, whichever sent it', async () => {
    const place = await createPlace()
    const [one, other] = await Promise.all([openAt(place), openAt(place)])
    const done: string[] = []
    const all = Promise.withResolvers<void>()
    for (const { queue } of [one, other]) {
      await queue.work('shared', { concurrency: 2 }, async (id) => {
        if (done.push(id) === 50) all.resolve()
      })
    }
    for (let i = 0; i < 50; i++) await (i % 2 === 0 ? one : other).queue.send('shared', `${i}`)
    await all.promise
    expect(new Set(done).size).toBe(50)
    await Promise.all([one.close(), other.close()])
    await place.remove()
  })

  it('goes on after its server was started again', async () => {
    const place = await createPlace()
    const catalog = await openAt(place)
    const saved = await catalog.savedQueries.save({ name: 'a', sql: 'SELECT 1', columns: [] })
    await server.restart()
    for (;;) {
      const byId = await catalog.savedQueries.byId(saved.id).catch(() => null)
      if (byId !== null) break
    }
    const called = Promise.withResolvers<string>()
    await catalog.queue.work('after', { concurrency: 1 }, async (id) => called.resolve(id))
    await catalog.queue.send('after', 'a')
    expect(await called.promise).toBe('a')
    await catalog.close()
    await place.remove()
  })

  it('that cannot be reached is said to be so, without its password', async () => {
    const url = `postgres://someone:secret@127.0.0.1:${await freePort()}/catalog`
    const opening = openCatalog({ url, folder: '', log: quiet })
    await expect(opening).rejects.toThrow(/PostgreSQL at 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/)
    await expect(opening).rejects.not.toThrow('secret')
  })

  it.each(['postgres://', 'postgres://localhost/a?schema=b'])('refuses the URL %s', async (url) => {
    await expect(openCatalog({ url, folder: '', log: quiet })).rejects.toThrow(
      /CATALOG_URL|cannot be reached/,
    )
  })
})
