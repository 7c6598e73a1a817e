// Keys in memory beside a catalog that other processes change: on a real PostgreSQL, with and without events.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKeyDesk, type KeyDesk } from '../../src/access/key-desk.ts'
import { type KeyRing, openKeyRing } from '../../src/access/key-ring.ts'
import { type Catalog, openCatalog } from '../../src/catalog/open.ts'
import { createEvents } from '../../src/events.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'

const log = pino({ level: 'silent' })
let postgres: PostgresServer
let url: string
let here: Catalog
let there: Catalog
let ring: KeyRing
let desk: KeyDesk

beforeAll(async () => {
  postgres = await startPostgres()
  url = postgres.url
  here = await openCatalog({ url, folder: '', log })
  there = await openCatalog({ url, folder: '', log })
  ring = await openKeyRing({ ...here, log })
  desk = createKeyDesk(there)
})

afterAll(async () => {
  await ring.close()
  await there.close()
  await here.close()
  await postgres.stop()
})

const create = (keys = desk) => keys.create({ name: 'ada', scopes: ['train'], expiresAt: null })

test('a key made by another process is good at once, and not once it is revoked there', async () => {
  const { key, token } = await create()
  const identity = await ring.identify(token)
  expect(identity).toMatchObject({ name: 'ada', scopes: ['train'], caller: key.id })
  const ended = new Promise((resolve) => identity.onEnd(resolve))
  await desk.revoke(key.id)
  expect(await ended).toBe('REVOKED')
  await expect(ring.identify(token)).rejects.toMatchObject({ message: `The API key ${key.id} was revoked` })
})

test('a revocation of which no event tells is seen all the same, and a row that is deleted too', async () => {
  const silent = createKeyDesk({ ...there, events: createEvents() })
  const [revoked, deleted] = [await create(silent), await create(silent)]
  await expect
    .poll(() =>
      ring.identify(revoked.token).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true)
  const ends = []
  for (const { token } of [revoked, deleted]) {
    const identity = await ring.identify(token)
    ends.push(new Promise((resolve) => identity.onEnd(resolve)))
  }
  await silent.revoke(revoked.key.id)
  await there.prisma.apiKey.delete({ where: { id: deleted.key.id } })
  expect(await Promise.all(ends)).toEqual(['REVOKED', 'REVOKED'])
})

test('uses are noted when the ring closes, the newest of several processes’', async () => {
  const { key, token } = await create()
  const other = await openKeyRing({ ...there, log })
  const [first, second] = [await ring.identify(token), await other.identify(token)]
  first.lastUsedMs = Date.now() - 60_000
  second.lastUsedMs = Date.now()
  await other.close()
  const third = await openKeyRing({ ...here, log })
  ;(await third.identify(token)).lastUsedMs = first.lastUsedMs
  await third.close()
  const { lastUsedAt } = await here.prisma.apiKey.findUniqueOrThrow({ where: { id: key.id } })
  expect(lastUsedAt?.getTime()).toBe(second.lastUsedMs)
})

test('strangers’ guesses do not ask the database each', async () => {
  await create()
  let asked = 0
  function all() {
    asked++
    return here.apiKeys.all()
  }
  const counting = await openKeyRing({ ...here, apiKeys: { ...here.apiKeys, all }, log })
  const guess = (i: number) => `fgw_${String(i).padStart(24, '0')}_${'A'.repeat(43)}`
  await Promise.all(Array.from({ length: 500 }, (_, i) => counting.identify(guess(i)).catch(() => null)))
  expect(asked).toBeLessThan(5)
  await counting.close()
})

test('npm run keys works on PostgreSQL beside running gateways', async () => {
  const env = { PATH: process.env.PATH, CATALOG_URL: url }
  const args = ['src/operations/keys.ts', 'create', '--name', 'grace', '--scope', 'realtime']
  const { stdout } = await promisify(execFile)(process.execPath, args, { env })
  await expect(ring.identify(stdout.trim())).resolves.toMatchObject({ name: 'grace', scopes: ['realtime'] })
})

test('gateways on one catalog share the secret that signs downloads', async () => {
  const secrets = await Promise.all(
    [here, there].map(({ sharedSecrets }) => sharedSecrets.get('download links')),
  )
  expect(secrets[0]).toHaveLength(32)
  expect(secrets[1]).toEqual(secrets[0])
})
