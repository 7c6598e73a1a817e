// Migrations on both databases, and the script that writes new ones.

import { execFile } from 'node:child_process'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrationsFolder } from '../../src/catalog/database/migrate.ts'
import { openPglite } from '../../src/catalog/database/pglite.ts'
import { openPostgres } from '../../src/catalog/database/postgres.ts'
import { createFolder } from '../servers/child.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { describeMigrations } from './migrations.contract.ts'
import { createPglitePlace, createPostgresPlace, quiet } from './place.ts'

const root = join(import.meta.dirname, '../..')

describe('on PGlite', () => {
  describeMigrations(async () => {
    const place = await createPglitePlace('DATABASE')
    const database = await openPglite({ folder: place.folder, log: quiet })
    return {
      database,
      async remove() {
        await database.close()
        await place.remove()
      },
    }
  })
})

describe('on PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  describeMigrations(async () => {
    const place = await createPostgresPlace(server)
    const database = await openPostgres({ url: place.url, log: quiet })
    return {
      database,
      async remove() {
        await database.close()
        await place.remove()
      },
    }
  })
})

describe('npm run migration', { timeout: 120_000 }, () => {
  let folder: Awaited<ReturnType<typeof createFolder>>
  let schema: string
  let migrations: string
  beforeAll(async () => {
    folder = await createFolder('schema')
    schema = join(folder.path, 'schema.prisma')
    migrations = join(folder.path, 'migrations')
    await cp(join(root, 'prisma/schema.prisma'), schema)
    await cp(migrationsFolder, migrations, { recursive: true })
  })
  afterAll(() => folder.remove())

  async function runScript(...args: string[]) {
    const script = [join(root, 'scripts/new-migration.ts'), '--schema', schema, '--migrations', migrations]
    return promisify(execFile)(process.execPath, [...script, ...args], { cwd: root })
  }

  it('fails where the migrations say all that the schema says, as the committed ones do, and without a name', async () => {
    await expect(runScript('add', 'nothing')).rejects.toThrow('Nothing to do')
    await expect(runScript()).rejects.toThrow('Say what changes in a few words')
    expect(await readdir(migrations)).toEqual(await readdir(migrationsFolder))
  })

  it('writes what changed, after which the check is content', async () => {
    const text = await readFile(schema, 'utf8')
    await writeFile(schema, text.replace('model SavedQuery {', 'model SavedQuery {\n  owner String?\n'))
    await expect(runScript('--check')).rejects.toThrow('ALTER TABLE "SavedQuery" ADD COLUMN')
    const { stdout } = await runScript('Add', 'owner')
    expect(stdout.trim()).toMatch(/\d{14}_add_owner\/migration\.sql$/)
    expect(await readFile(join(root, stdout.trim()), 'utf8')).toContain('ADD COLUMN     "owner" TEXT')
    await runScript('--check')
  })
})
