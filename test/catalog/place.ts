// Where a catalog under test lives: a folder for PGlite, or a database of a real PostgreSQL.

import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import { type Catalog, openCatalog } from '../../src/catalog/open.ts'
import { dataPaths } from '../../src/config/config.ts'
import { createDataFolder } from '../data-folder.ts'
import { createFolder } from '../servers/child.ts'
import type { PostgresServer } from '../servers/postgres.ts'

export interface Place {
  url: string
  folder: string
  remove(): Promise<void>
}

export const quiet = pino({ level: 'silent' })

/** Where there has been no catalog yet. */
export async function createNewPglitePlace(): Promise<Place> {
  return placeIn(await createFolder('catalog'))
}

/** With all its tables, or where PGlite alone has been. */
export async function createPglitePlace(stage: 'DATABASE' | 'CATALOG' = 'CATALOG'): Promise<Place> {
  return placeIn(await createDataFolder('catalog', stage))
}

function placeIn({ path, remove }: Awaited<ReturnType<typeof createFolder>>): Place {
  return { url: 'pglite:', folder: dataPaths(path).catalog, remove }
}

/** A database far from UTC, which the catalog must not notice. */
export async function createPostgresPlace(server: PostgresServer): Promise<Place> {
  const name = `catalog_${randomBytes(6).toString('hex')}`
  await run(server.url, `CREATE DATABASE ${name}`)
  await run(server.url, `ALTER DATABASE ${name} SET TimeZone = 'Asia/Kolkata'`)
  return {
    url: server.databaseUrl(name),
    folder: '',
    remove: () => run(server.url, `DROP DATABASE ${name} WITH (FORCE)`),
  }
}

export async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

export function openAt({ url, folder }: Place): Promise<Catalog> {
  return openCatalog({ url, folder, log: quiet })
}
