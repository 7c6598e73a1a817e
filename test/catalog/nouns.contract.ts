// What each noun of the catalog promises, on whatever database it is kept.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NewEtl } from '../../src/catalog/etls.ts'
import { isEnded, jobStatuses, nextStatuses } from '../../src/catalog/job-states.ts'
import type { Catalog } from '../../src/catalog/open.ts'
import type { Column } from '../../src/values/columns.ts'
import { openAt, type Place } from './place.ts'

const columns: Column[] = [
  { name: 'user_id', type: 'STRING', nullable: false, storage: 'VARCHAR' },
  { name: 'a "quoted", one', type: 'STRUCT', nullable: true, storage: 'STRUCT(a INTEGER)' },
]

function etl(changes: Partial<NewEtl> = {}): NewEtl {
  return {
    name: 'features',
    path: 'git::https://example.org/etl.git//features.sql?ref=main',
    language: 'SQL',
    commit: 'c0ffee',
    contentSha256: 'a'.repeat(64),
    source: 'SELECT * FROM input',
    ...changes,
  }
}

function numbersUpTo(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1)
}

export function describeNouns(getPlace: () => Place) {
  let catalog: Catalog
  let names = 0
  const newName = () => `name ${++names}`
  beforeAll(async () => {
    catalog = await openAt(getPlace())
  })
  afterAll(() => catalog.close())

  describe('saved queries', () => {
    it('are the same entry for the same SQL under the same name, else the next version', async () => {
      const name = newName()
      const first = await catalog.savedQueries.save({ name, sql: 'SELECT 1', columns, tags: ['a'] })
      expect(first).toMatchObject({
        name,
        version: 1,
        sql: 'SELECT 1',
        description: null,
        tags: ['a'],
        columns,
      })
      const second = await catalog.savedQueries.save({ name, sql: 'SELECT 2', columns: [] })
      expect(second.version).toBe(2)
      expect(await catalog.savedQueries.save({ name, sql: 'SELECT 1', columns: [] })).toEqual(first)
      expect((await catalog.savedQueries.newestByName(name))?.id).toBe(second.id)
      expect(await catalog.savedQueries.newestByName(newName())).toBeNull()
    })

    it('take a description and tags later, and keep what is not given', async () => {
      const query = { name: newName(), sql: 'SELECT 1', columns }
      const { id } = await catalog.savedQueries.save({ ...query, tags: ['a'] })
      await catalog.savedQueries.save({ ...query, description: 'Ünï 🦆' })
      await catalog.savedQueries.save(query)
      expect(await catalog.savedQueries.byId(id)).toMatchObject({ description: 'Ünï 🦆', tags: ['a'] })
      await catalog.savedQueries.save({ ...query, tags: ['b', 'c, "d" {}\\', 'NULL'] })
      expect((await catalog.savedQueries.byId(id)).tags).toEqual(['b', 'c, "d" {}\\', 'NULL'])
    })

    it('get versions without gaps or doubles when many save at once', async () => {
      const name = newName()
      const saving = numbersUpTo(40).map((n) =>
        catalog.savedQueries.save({ name, sql: `SELECT ${n % 20}`, columns }),
      )
      const saved = await Promise.all(saving)
      const versions = new Map(saved.map((query) => [query.id, query.version]))
      expect([...versions.values()].sort((a, b) => a - b)).toEqual(numbersUpTo(20))
    })

    it('give columns back as they were written, to the order of their fields', async () => {
      const { id } = await catalog.savedQueries.save({ name: newName(), sql: 'SELECT 1', columns: [] })
      await catalog.savedQueries.setColumns(id, columns)
      expect(JSON.stringify((await catalog.savedQueries.byId(id)).columns)).toBe(JSON.stringify(columns))
    })

    it('that are not there are NOT_FOUND', async () => {
      const missing = { code: 'NOT_FOUND', message: expect.stringContaining('"qry_0"') }
      await expect(catalog.savedQueries.byId('qry_0')).rejects.toMatchObject(missing)
      await expect(catalog.savedQueries.setColumns('qry_0', [])).rejects.toMatchObject(missing)
    })

    it.each([
      ['an empty name', { name: ' ' }],
      ['a long name', { name: 'x'.repeat(201) }],
      ['a name of two lines', { name: 'a\nb' }],
      ['a NUL in the SQL', { sql: "SELECT '\0'" }],
      ['a NUL in the description', { description: '\0' }],
      ['an empty tag', { tags: [''] }],
    ])('refuse %s', async (_, changes) => {
      const query = { name: newName(), sql: 'SELECT 1', columns, ...changes }
      await expect(catalog.savedQueries.save(query)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
    })

    it('hold SQL of a megabyte', async () => {
      const sql = `SELECT '${'🦆'.repeat(250_000)}'`
      const { id } = await catalog.savedQueries.save({ name: newName(), sql, columns })
      expect((await catalog.savedQueries.byId(id)).sql).toBe(sql)
    })
  })

  describe('ETLs', () => {
    it('are the same entry while name, path and content stay; content that comes back is a new version', async () => {
      const name = newName()
      const a = await catalog.etls.save(etl({ name, path: name }))
      expect(await catalog.etls.save(etl({ name, path: name, commit: 'another' }))).toEqual(a)
      const b = await catalog.etls.save(etl({ name, path: name, contentSha256: 'b' }))
      const back = await catalog.etls.save(etl({ name, path: name }))
      expect([a.version, b.version, back.version]).toEqual([1, 2, 3])
      expect((await catalog.etls.newestByPath(name))?.id).toBe(back.id)
    })

    it('of two paths share the versions of a name, and saving either again changes nothing', async () => {
      const name = newName()
      const one = etl({ name, path: `${name}/1` })
      const other = etl({ name, path: `${name}/2` })
      const versions: number[] = []
      for (const each of [one, other, one, other]) versions.push((await catalog.etls.save(each)).version)
      expect(versions).toEqual([1, 2, 1, 2])
      expect((await catalog.etls.newestByPath(one.path, name))?.version).toBe(1)
      expect(await catalog.etls.newestByPath(one.path, newName())).toBeNull()
    })

    it('are saved once when many save the same, and numbered without gaps when they differ', async () => {
      const name = newName()
      const path = name
      const saved = await Promise.all(
        numbersUpTo(30).map((n) => catalog.etls.save(etl({ name, path: `${path}/${n % 10}` }))),
      )
      const versions = new Map(saved.map((each) => [each.id, each.version]))
      expect([...versions.values()].sort((a, b) => a - b)).toEqual(numbersUpTo(10))
    })

    it('keep the columns they gave for each query, and know the first', async () => {
      const { id } = await catalog.etls.save(etl({ name: newName() }))
      const first = await catalog.savedQueries.save({ name: newName(), sql: 'SELECT 1', columns })
      const second = await catalog.savedQueries.save({ name: newName(), sql: 'SELECT 2', columns })
      expect(await catalog.etls.outputColumns(id, first.id)).toBeNull()
      expect(await catalog.etls.firstOutputColumns(id)).toEqual([])
      await catalog.etls.saveOutputColumns(id, first.id, [])
      await catalog.etls.saveOutputColumns(id, first.id, columns)
      await catalog.etls.saveOutputColumns(id, second.id, [])
      expect(await catalog.etls.outputColumns(id, first.id)).toEqual(columns)
      expect(await catalog.etls.firstOutputColumns(id)).toEqual(columns)
      const missing = { code: 'NOT_FOUND', message: expect.stringContaining('"qry_0"') }
      await expect(catalog.etls.saveOutputColumns(id, 'qry_0', [])).rejects.toMatchObject(missing)
      await expect(catalog.etls.byId('etl_0')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    it('refuse a path that cannot be kept', async () => {
      for (const path of ['', 'a\0b', 'x'.repeat(501)]) {
        await expect(catalog.etls.save(etl({ path }))).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
      }
    })
  })

  describe('feature views', () => {
    async function newView(changes = {}) {
      const { id: queryId } = await catalog.savedQueries.save({ name: newName(), sql: 'SELECT 1', columns })
      const view = { name: newName(), queryId, etlId: null, indexKeys: ['user_id'], tables: ['main.a'] }
      return { ...view, refresh: 'BY_KEY' as const, ...changes }
    }

    it('are found by query, ETL and key; one that was asked for takes the place of an implicit one', async () => {
      const view = await newView({ ttlSeconds: 60, refreshNote: 'why' })
      const implicit = await catalog.featureViews.create({ ...view, name: newName(), implicit: true })
      const { queryId, etlId, indexKeys } = view
      expect(await catalog.featureViews.find({ queryId, etlId, indexKeys })).toEqual(implicit)
      const asked = await catalog.featureViews.create(view)
      expect(asked).toMatchObject({ ...view, implicit: false, refreshedAt: null, refreshedVersion: null })
      expect(await catalog.featureViews.find({ queryId, etlId, indexKeys })).toEqual(asked)
      expect(await catalog.featureViews.find({ queryId, etlId: 'etl_0', indexKeys })).toBeNull()
      expect(await catalog.featureViews.find({ queryId, etlId, indexKeys: ['other'] })).toBeNull()
    })

    it('are one for a target, with an ETL and without, however many are made at once and by whichever way', async () => {
      for (let round = 0; round < 20; round++) {
        const etlId = round % 2 === 0 ? null : (await catalog.etls.save(etl())).id
        const view = await newView({ etlId })
        const retired: string[] = []
        const retire = async (id: string) => void retired.push(id)
        const made = await Promise.allSettled(
          numbersUpTo(6).map((i) =>
            catalog.featureViews.create({ ...view, name: newName(), implicit: i % 2 === 0 }, retire),
          ),
        )
        const views = (await catalog.featureViews.all()).filter(({ queryId }) => queryId === view.queryId)
        expect(views).toMatchObject([{ etlId, implicit: false }])
        expect(await catalog.featureViews.find({ ...view, etlId })).toEqual(views[0])
        const named = made.filter((_, at) => at % 2 === 0)
        expect(named.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
        for (const each of made) {
          if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'CONFLICT' })
        }
        expect(retired.length).toBeLessThan(2)
        expect(await catalog.featureViews.removed()).toEqual(expect.arrayContaining(retired))
      }
    })

    it('keep an implicit one that could not be retired', async () => {
      const view = await newView()
      const implicit = await catalog.featureViews.create({ ...view, name: newName(), implicit: true })
      const failing = catalog.featureViews.create(view, () => Promise.reject(new Error('The store is away')))
      await expect(failing).rejects.toThrow('The store is away')
      expect(await catalog.featureViews.find(view)).toEqual(implicit)
      expect(await catalog.featureViews.removed()).not.toContain(implicit.id)
    })

    it('with a taken name are a CONFLICT that names the holder', async () => {
      const view = await newView()
      const { id } = await catalog.featureViews.create(view)
      const conflict = { code: 'CONFLICT', details: { featureViewId: id } }
      await expect(catalog.featureViews.create(view)).rejects.toMatchObject(conflict)
      const other = { ...(await newView({ name: view.name })), implicit: true }
      await expect(catalog.featureViews.create(other)).rejects.toMatchObject(conflict)
    })

    it('made on first use by many at once are one', async () => {
      const view = await newView({ implicit: true })
      const made = await Promise.all(numbersUpTo(20).map(() => catalog.featureViews.create(view)))
      expect(new Set(made.map(({ id }) => id)).size).toBe(1)
    })

    it('change, are listed oldest first, and are removed', async () => {
      const one = await catalog.featureViews.create(await newView())
      const two = await catalog.featureViews.create(await newView())
      const refreshedAt = new Date('2026-01-02T03:04:05.678Z')
      const changes = {
        refresh: 'FULL' as const,
        refreshNote: 'a rank',
        refreshedAt,
        refreshedVersion: 2 ** 53 - 1,
      }
      expect(await catalog.featureViews.update(one.id, changes)).toEqual({ ...one, ...changes })
      const ids = (await catalog.featureViews.all()).map(({ id }) => id)
      expect(ids.indexOf(one.id)).toBeLessThan(ids.indexOf(two.id))
      await catalog.featureViews.remove(one.id)
      const missing = { code: 'NOT_FOUND' }
      await expect(catalog.featureViews.byId(one.id)).rejects.toMatchObject(missing)
      await expect(catalog.featureViews.remove(one.id)).rejects.toMatchObject(missing)
      await expect(catalog.featureViews.update(one.id, changes)).rejects.toMatchObject(missing)
    })

    it('have a stamp that changes with what they serve and how, and with nothing else', async () => {
      const stamps = [await catalog.featureViews.stamp()]
      const changed = async () => stamps.push(await catalog.featureViews.stamp())
      const { id } = await catalog.featureViews.create(await newView({ implicit: true }))
      await changed()
      await catalog.featureViews.update(id, { refresh: 'FULL' })
      await changed()
      await catalog.featureViews.noteUse(id, new Date())
      await changed()
      await catalog.featureViews.update(id, { refreshedAt: new Date(), refreshedVersion: 7 })
      await catalog.featureViews.raiseWatermark(id, 8)
      expect(await catalog.featureViews.stamp()).toBe(stamps.at(-1))
      await catalog.featureViews.remove(id)
      await changed()
      expect(new Set(stamps.slice(0, 4)).size).toBe(4)
      expect(stamps.at(-1)).toBe(stamps[0])
    })

    it('are unused once nobody has asked for an implicit one since, and use is never noted backwards', async () => {
      const { id } = await catalog.featureViews.create(await newView({ implicit: true }))
      await catalog.featureViews.create(await newView())
      const [before, after] = [new Date(Date.now() - 60_000), new Date(Date.now() + 60_000)]
      expect(await catalog.featureViews.unused(before)).not.toContain(id)
      expect(await catalog.featureViews.unused(after)).toContain(id)
      await catalog.featureViews.noteUse(id, after)
      await catalog.featureViews.noteUse(id, before)
      expect((await catalog.featureViews.byId(id)).lastUsedAt).toEqual(after)
      expect(await catalog.featureViews.unused(after)).not.toContain(id)
    })

    it('of a query that is not there are NOT_FOUND', async () => {
      const view = await newView({ queryId: 'qry_0' })
      await expect(catalog.featureViews.create(view)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })
  })

  const jobs = {
    dataset: {
      create: () => catalog.datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' }),
      nouns: () => catalog.datasets,
      force: (id: string, status: (typeof jobStatuses)[number]) =>
        catalog.prisma.dataset.update({ where: { id }, data: { status } }),
    },
    'publish job': {
      create: () => catalog.publishJobs.create({ kind: 'FLOWS', total: 10, seed: null }),
      nouns: () => catalog.publishJobs,
      force: (id: string, status: (typeof jobStatuses)[number]) =>
        catalog.prisma.publishJob.update({ where: { id }, data: { status } }),
    },
  } as const

  describe.each([
    ['saved query', 'queryId'],
    ['ETL', 'etlId'],
  ] as const)('a %s that is deleted', (noun, reference) => {
    /** Of one name, the next version. */
    async function save(name: string) {
      const text = newName()
      return noun === 'ETL'
        ? catalog.etls.save(etl({ name, contentSha256: text, source: text }))
        : catalog.savedQueries.save({ name, sql: text, columns })
    }
    const entries = () => (noun === 'ETL' ? catalog.etls : catalog.savedQueries)
    async function useBy(id: string) {
      const query = await catalog.savedQueries.save({ name: newName(), sql: newName(), columns })
      return { queryId: query.id, etlId: null, [reference]: id }
    }
    const newView = async (id: string) => ({
      name: newName(),
      indexKeys: ['user_id'],
      refresh: 'MANUAL' as const,
      tables: [],
      ...(await useBy(id)),
    })

    it('is gone, with its version for good', async () => {
      const name = newName()
      const [first, second] = [await save(name), await save(name)]
      await entries().remove(second.id)
      await expect(entries().byId(second.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect((await save(name)).version).toBe(3)
      await entries().remove(first.id)
      expect((await save(name)).version).toBe(4)
      await expect(entries().remove(first.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    it('stays while a feature view or an unfinished dataset uses it, which the refusal names', async () => {
      const { id } = await save(newName())
      const view = await catalog.featureViews.create(await newView(id))
      const dataset = await catalog.datasets.create({ sql: 'SELECT 1', ...(await useBy(id)) })
      await expect(entries().remove(id)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringMatching(
          RegExp(`used by the feature view ${view.name} .*the dataset ${dataset.id}, which is QUEUED`),
        ),
        details: { featureViewIds: [view.id], datasetIds: [dataset.id] },
      })
      await catalog.datasets.update(dataset.id, { status: 'CANCELLED' })
      await catalog.featureViews.remove(view.id)
      await entries().remove(id)
      expect(await catalog.datasets.byId(dataset.id)).toMatchObject({ [reference]: null })
    })

    it('while others begin to use it is used, or gone for them', async () => {
      for (let round = 0; round < 10; round++) {
        const { id } = await save(newName())
        const view = await newView(id)
        const [removal, creation] = await Promise.allSettled([
          entries().remove(id),
          catalog.featureViews.create(view),
        ])
        const codeOf = (end: PromiseSettledResult<unknown>) =>
          end.status === 'rejected' ? end.reason.code : 'done'
        expect([
          ['done', 'NOT_FOUND'],
          ['CONFLICT', 'done'],
        ]).toContainEqual([codeOf(removal), codeOf(creation)])
      }
    })
  })

  it('a feature view that a service uses stays, whoever has asked before', async () => {
    const { id: queryId } = await catalog.savedQueries.save({ name: newName(), sql: 'SELECT 1', columns })
    const view = await catalog.featureViews.create({
      name: newName(),
      queryId,
      etlId: null,
      indexKeys: ['id'],
      refresh: 'MANUAL',
      tables: [],
    })
    const name = newName()
    await catalog.featureServices.save({
      name,
      references: [{ viewId: view.id, features: ['v'], prefix: null, keys: [] }],
      requestColumns: [],
      etlId: null,
      columns: [],
    })
    await expect(catalog.featureViews.remove(view.id)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(name),
    })
    expect((await catalog.featureViews.byId(view.id)).id).toBe(view.id)
  })

  describe.each(['dataset', 'publish job'] as const)('a %s', (kind) => {
    const { create, nouns, force } = jobs[kind]
    const ways = jobStatuses.flatMap((from) => [...jobStatuses, undefined].map((to) => [from, to] as const))

    it.each(ways)('goes from %s to %s only where the table says so', async (from, to) => {
      const { id, status } = await create()
      expect(status).toBe('QUEUED')
      await force(id, from)
      const stays = !isEnded(from) && (to === from || to === undefined)
      const update = nouns().update(id, to === undefined ? { error: 'so far' } : { status: to })
      if (stays || (to !== undefined && nextStatuses[from].includes(to))) {
        expect((await update).status).toBe(to ?? from)
      } else {
        await expect(update).rejects.toMatchObject({ code: 'CONFLICT', details: { status: from } })
        expect(await nouns().byId(id)).toMatchObject({ status: from, error: null })
      }
    })

    it('that many end at once has one end', async () => {
      const { id } = await create()
      await nouns().update(id, { status: 'RUNNING' })
      const ends = (['SUCCEEDED', 'FAILED', 'CANCELLED'] as const).flatMap((end) => [end, end, end, end])
      const results = await Promise.allSettled(ends.map((status) => nouns().update(id, { status })))
      const won = results.filter((result) => result.status === 'fulfilled')
      expect(won).toHaveLength(1)
      expect((await nouns().byId(id)).status).toBe(won[0]?.value.status)
    })

    it('that is not there is NOT_FOUND', async () => {
      const missing = { code: 'NOT_FOUND' }
      await expect(nouns().byId('none')).rejects.toMatchObject(missing)
      await expect(nouns().update('none', { status: 'RUNNING' })).rejects.toMatchObject(missing)
    })

    it('keeps an error without the characters that no text can hold', async () => {
      const { id } = await create()
      expect((await nouns().update(id, { status: 'FAILED', error: 'a\0b' })).error).toBe('ab')
    })
  })

  describe('datasets', () => {
    it('are deleted once they have ended, and remembered as deleted', async () => {
      const { id } = await catalog.datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' })
      await expect(catalog.datasets.delete(id)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('is QUEUED'),
      })
      await catalog.datasets.update(id, { status: 'CANCELLED' })
      await catalog.datasets.delete(id)
      await expect(catalog.datasets.delete(id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect(await catalog.datasets.deletedOf([id, 'dst_other'])).toEqual([id])
      await catalog.datasets.forgetDeleted(new Date(Date.now() + 1000))
      expect(await catalog.datasets.deletedOf([id])).toEqual([])
    })

    it('keep what came of them', async () => {
      const { id } = await catalog.datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' })
      const rowCount = 2n ** 62n
      const changes = { status: 'RUNNING', columns, rowCount, progress: 0.25, elapsedMs: 12.5 } as const
      expect(await catalog.datasets.update(id, changes)).toMatchObject(changes)
      expect(await catalog.datasets.byId(id)).toMatchObject(changes)
    })
  })

  describe('publish jobs', () => {
    it('of one seed are numbered from zero, however many are made at once', async () => {
      const seed = -7
      const made = await Promise.all(
        numbersUpTo(20).map(() => catalog.publishJobs.create({ kind: 'FLOWS', total: 1, seed })),
      )
      expect(made.map(({ run }) => run).sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
        numbersUpTo(20).map((n) => n - 1),
      )
    })

    it('remember when they first ran and when they ended, and drop their rows then', async () => {
      const payload = Uint8Array.from({ length: 256 }, (_, i) => i)
      const job = { kind: 'ROWS', total: 3, table: 'users', payload } as const
      const { id, ...created } = await catalog.publishJobs.create(job)
      expect(created).toMatchObject({
        ...job,
        done: 0,
        seed: null,
        run: null,
        startedAt: null,
        finishedAt: null,
      })
      const { startedAt } = await catalog.publishJobs.update(id, { status: 'RUNNING' })
      expect(startedAt).toBeInstanceOf(Date)
      await catalog.publishJobs.update(id, { status: 'QUEUED', done: 1 })
      expect(await catalog.publishJobs.unfinishedIds()).toContain(id)
      const again = await catalog.publishJobs.update(id, { status: 'RUNNING' })
      expect(again).toMatchObject({ startedAt, done: 1, payload })
      const ended = await catalog.publishJobs.update(id, { status: 'SUCCEEDED', done: 3 })
      expect(ended).toMatchObject({ startedAt, done: 3, payload: null })
      expect(ended.finishedAt).toBeInstanceOf(Date)
      expect(await catalog.publishJobs.unfinishedIds()).not.toContain(id)
    })
  })
}
