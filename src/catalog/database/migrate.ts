// Brings the database to the newest migration, with Prisma's own engine and history table.

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { Logger } from 'pino'
import { messageOf } from '../../errors.ts'
import { type Database, withScripts } from './database.ts'
import { createSchemaEngine } from './schema-engine.ts'

export interface Migration {
  name: string
  script: string
}

/** `prisma/migrations` of this repository. */
export const migrationsFolder = join(import.meta.dirname, '../../../prisma/migrations')

/** In the order in which they apply. */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(
    names.sort().map(async (name) => ({
      name,
      script: await readFile(join(folder, name, 'migration.sql'), 'utf8'),
    })),
  )
}

/**
 * Applies what is missing, all of it or nothing, and names it. Refuses a database that another version of the gateway
 * has taken further, and one whose applied migrations differ from those of this version.
 */
export async function migrate({
  database,
  folder,
  log,
}: {
  database: Database
  folder: string
  log: Logger
}): Promise<string[]> {
  const migrations = await readMigrations(folder)
  const applied = await database.inMigration(async (factory) => {
    const known = await readHistory(factory)
    checkHistory(known, migrations)
    if (known.length === migrations.length) return []
    return applyMissing(factory, { folder, migrations })
  })
  if (applied.length > 0) log.info({ migrations: applied }, 'Brought the catalog to its newest schema')
  return applied
}

/** What `migrate` would have to do, changing nothing; a sentence where it would refuse. */
export async function compareMigrations(
  database: Pick<Database, 'read'>,
): Promise<{ applied: number; missing: string[] } | string> {
  const migrations = await readMigrations(migrationsFolder)
  const known = await readHistoryBy(database.read)
  try {
    checkHistory(known, migrations)
  } catch (error) {
    return messageOf(error)
  }
  const names = new Set(known.map(({ name }) => name))
  return {
    applied: known.length,
    missing: migrations.map(({ name }) => name).filter((name) => !names.has(name)),
  }
}

interface AppliedMigration {
  name: string
  checksum: string
}

async function readHistory(factory: SqlMigrationAwareDriverAdapterFactory): Promise<AppliedMigration[]> {
  const adapter = await factory.connect()
  return readHistoryBy(async (sql) => (await adapter.queryRaw({ sql, args: [], argTypes: [] })).rows)
}

async function readHistoryBy(query: (sql: string) => Promise<unknown[][]>): Promise<AppliedMigration[]> {
  const [table] = await query(`SELECT to_regclass('_prisma_migrations')::text`)
  if (table === undefined || table[0] === null) return []
  const rows = await query('SELECT migration_name, checksum FROM _prisma_migrations ORDER BY migration_name')
  return rows.map(([name, checksum]) => ({ name: String(name), checksum: String(checksum) }))
}

function checkHistory(applied: readonly AppliedMigration[], migrations: readonly Migration[]) {
  const known = new Map(migrations.map((migration) => [migration.name, migration]))
  for (const { name, checksum } of applied) {
    const migration = known.get(name)
    if (migration === undefined) {
      throw new Error(
        `The catalog has the migration ${name}, which this version of the gateway does not know: a newer version has used it. Start that version, or use another catalog.`,
      )
    }
    if (createHash('sha256').update(migration.script).digest('hex') !== checksum) {
      throw new Error(
        `The migration ${name} was changed after it was applied to this catalog. Restore prisma/migrations/${name}/migration.sql, and make a new migration for the change.`,
      )
    }
  }
}

async function applyMissing(
  factory: SqlMigrationAwareDriverAdapterFactory,
  { folder, migrations }: { folder: string; migrations: readonly Migration[] },
): Promise<string[]> {
  let failure: { script: string; error: unknown } | undefined
  const watched = withScripts(factory, async (script, run) => {
    try {
      await run()
    } catch (error) {
      failure ??= { script, error }
      throw error
    }
  })
  const engine = await createSchemaEngine(watched)
  try {
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList: {
        baseDir: folder,
        lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
        shadowDbInitScript: '',
        migrationDirectories: migrations.map(({ name, script }) => ({
          path: name,
          migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: script } },
        })),
      },
      filters: { externalTables: [], externalEnums: [] },
    })
    return appliedMigrationNames
  } catch (error) {
    // The engine's own error is what came of writing the failure down, in a transaction that had failed by then.
    if (failure === undefined) throw error
    const { script, error: cause } = failure
    const name = migrations.find((migration) => migration.script === script)?.name
    throw new Error(`The migration ${name} failed, and nothing was changed: ${messageOf(cause)}`, { cause })
  } finally {
    engine.free()
  }
}
