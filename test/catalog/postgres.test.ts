// The catalog's promises on a real PostgreSQL, and what only a shared server can bring: many processes, restarts.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Catalog, openCatalog } from '../../src/catalog/open.ts'
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

function newDataset({ datasets }: Catalog) {
  return datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' })
}

/** Connections that a restart has cut fail once each. */
async function retryUntilDone<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch {}
  }
}

describe('a catalog on PostgreSQL', () => {
  let shared: Place
  beforeAll(async () => {
    shared = await createPlace()
  })
  afterAll(() => shared.remove())
  // Each in a describe of its own, so that one has closed the catalog before the next opens it.
  describe('its nouns', () => describeNouns(() => shared))
  describe('its adapter', () => describeAdapter(() => shared))
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

  it('fails the datasets of processes that are gone, and none that another or this one is making', async () => {
    const place = await createPlace()
    const processes = [startProcess(place, 'train'), startProcess(place, 'train')] as const
    await Promise.all(processes.map((each) => each.said(3)))
    const catalog = await openAt(place)
    await newDataset(catalog)
    expect(await catalog.datasets.failOrphans('gone')).toBe(0)
    const [killed, living] = processes
    await killed.kill()
    while ((await catalog.datasets.failOrphans('gone')) === 0);
    const failed = { status: 'FAILED', error: 'gone', errorCode: 'INTERNAL' }
    expect(await catalog.datasets.byId(killed.lines[2] ?? '')).toMatchObject(failed)
    expect((await catalog.datasets.byId(living.lines[2] ?? '')).status).toBe('RUNNING')
    await living.kill()
    await catalog.close()
    await place.remove()
  })

  it('shows itself alive again after its server was started again', async () => {
    const place = await createPlace()
    const [one, other] = await Promise.all([openAt(place), openAt(place)])
    await server.restart()
    await retryUntilDone(() => newDataset(one))
    // Until its connection is made anew, the other takes it for gone.
    for (let status = 'FAILED'; status === 'FAILED'; ) {
      const { id } = await newDataset(one)
      await retryUntilDone(() => other.datasets.failOrphans('gone'))
      status = (await one.datasets.byId(id)).status
    }
    await Promise.all([one.close(), other.close()])
    await place.remove()
  })

  it('goes on after its server was started again', async () => {
    const place = await createPlace()
    const catalog = await openAt(place)
    const saved = await catalog.savedQueries.save({ name: 'a', sql: 'SELECT 1', columns: [] })
    await server.restart()
    await retryUntilDone(() => catalog.savedQueries.byId(saved.id))
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
