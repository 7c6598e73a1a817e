// The catalog looked at for the doctor, without changing anything in it: the server, its rights, its migrations.

import type { Logger } from 'pino'
import { checkClock, fail, type Notice, ok, warn } from '../../telemetry/notices.ts'
import { openDatabase } from '../open.ts'
import type { Database } from './database.ts'
import { compareMigrations } from './migrate.ts'

export async function examineCatalog(options: {
  url: string
  folder: string
  log: Logger
}): Promise<Notice[]> {
  const database = await openDatabase(options)
  try {
    const server = options.url.startsWith('pglite:')
      ? [ok('it can be opened')]
      : await examineServer(database)
    return [...server, await checkMigrations(database)]
  } finally {
    await database.close()
  }
}

async function examineServer(database: Database): Promise<Notice[]> {
  const askedMs = Date.now()
  const [[version, nowMs, mayCreateTables, mayCreateSchema] = []] = await database.read(
    `SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp())::float8 * 1000,
      has_schema_privilege('public', 'CREATE'),
      has_database_privilege(current_database(), 'CREATE') OR to_regnamespace('pgboss') IS NOT NULL`,
  )
  const answeredMs = Date.now()
  const grant =
    'as the owner of the database: GRANT CREATE ON DATABASE … TO …; GRANT CREATE ON SCHEMA public TO …'
  return [
    ok(`PostgreSQL ${version} answers in ${answeredMs - askedMs} ms`),
    checkClock(Number(nowMs), askedMs, answeredMs),
    isTrue(mayCreateTables)
      ? ok('it may make tables')
      : fail('it may not make tables in the schema public', grant),
    isTrue(mayCreateSchema)
      ? ok('it may keep its queue')
      : fail('it may not make the schema of its queue (pgboss)', grant),
  ]
}

async function checkMigrations(database: Database): Promise<Notice> {
  const found = await compareMigrations(database)
  if (typeof found === 'string')
    return fail(found, 'start the version of the gateway that has used it last, or a later one')
  const { applied, missing } = found
  if (missing.length === 0) return ok(`its ${applied} migrations are applied`)
  if (applied === 0) return warn('no gateway has used it yet', 'start one: it makes the tables')
  return warn(
    `${missing.length} migrations are missing (${missing.join(', ')})`,
    'start the gateway: it applies them, all or none; back the catalog up before',
  )
}

function isTrue(value: unknown): boolean {
  return value === true || value === 't' || value === 'true'
}
