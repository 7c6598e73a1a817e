// `npm run migration -- <name>`: writes what is between the migrations and prisma/schema.prisma as a new migration; `--check` only tells.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { PGlite } from '@electric-sql/pglite'
import { PrismaPGlite } from 'pglite-prisma-adapter'
import { migrationsFolder, readMigrations } from '../src/catalog/database/migrate.ts'
import { createSchemaEngine } from '../src/catalog/database/schema-engine.ts'

async function main() {
  const { values, positionals } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      schema: { type: 'string', default: join(import.meta.dirname, '../prisma/schema.prisma') },
      migrations: { type: 'string', default: migrationsFolder },
    },
    allowPositionals: true,
  })
  const name = positionals.join('_').toLowerCase().replaceAll('-', '_')
  if (!values.check && !/^[a-z][a-z0-9_]*$/.test(name)) {
    throw new Error('Say what changes in a few words: npm run migration -- add_owner_to_saved_queries')
  }

  const script = await findDifference(values)
  if (values.check) {
    if (script !== null) throw new Error(`prisma/schema.prisma is ahead of its migrations:\n\n${script}`)
    return
  }
  if (script === null) {
    throw new Error('Nothing to do: the migrations already say all that prisma/schema.prisma says')
  }
  const stamp = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)
  const folder = join(values.migrations, `${stamp}_${name}`)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'migration.sql'), script)
  console.log(relative('.', join(folder, 'migration.sql')))
}

/** The SQL that leads from the migrations to the schema; null when they agree. */
async function findDifference(from: { schema: string; migrations: string }): Promise<string | null> {
  const migrations = await readMigrations(from.migrations)
  const migrated = await PGlite.create()
  try {
    for (const { script } of migrations) await migrated.exec(script)
    const engine = await createSchemaEngine(new PrismaPGlite(migrated))
    const datamodel = await readFile(from.schema, 'utf8')
    const { stdout, exitCode } = await engine.diff({
      from: { tag: 'schemaDatasource', files: [{ path: from.schema, content: datamodel }], configDir: '' },
      to: { tag: 'schemaDatamodel', files: [{ path: from.schema, content: datamodel }] },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    })
    return exitCode === 0 ? null : stdout
  } finally {
    await migrated.close()
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
