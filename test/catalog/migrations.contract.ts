// What a start promises of the migrations it applies, on whatever database.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/catalog/database/database.ts'
import { migrate } from '../../src/catalog/database/migrate.ts'
import { createFolder } from '../servers/child.ts'
import { quiet } from './place.ts'

export interface OpenDatabase {
  database: Database
  remove(): Promise<void>
}

export function describeMigrations(open: () => Promise<OpenDatabase>) {
  let folder: Awaited<ReturnType<typeof createFolder>>
  let opened: OpenDatabase
  beforeEach(async () => {
    folder = await createFolder('migrations')
    opened = await open()
  })
  afterEach(async () => {
    await opened.remove()
    await folder.remove()
  })

  async function write(name: string, sql: string) {
    await mkdir(join(folder.path, name), { recursive: true })
    await writeFile(join(folder.path, name, 'migration.sql'), sql)
  }
  const apply = () => migrate({ database: opened.database, folder: folder.path, log: quiet })

  async function query(sql: string): Promise<unknown[][]> {
    const adapter = await opened.database.adapter.connect()
    return (await adapter.queryRaw({ sql, args: [], argTypes: [] })).rows
  }

  describe('migrations', () => {
    it('apply once, in the order of their names', async () => {
      await write('2_b', 'ALTER TABLE t ADD b INT;')
      await write('1_a', 'CREATE TABLE t (a INT);')
      expect(await apply()).toEqual(['1_a', '2_b'])
      expect(await apply()).toEqual([])
      await write('3_c', 'ALTER TABLE t DROP a;')
      expect(await apply()).toEqual(['3_c'])
    })

    it('apply wholly or not at all, and say what failed', async () => {
      await write('1_a', 'CREATE TABLE t (a INT);')
      await write('2_b', 'CREATE TABLE u (a INT); INSERT INTO t VALUES (1); SELECT 1 / 0;')
      await expect(apply()).rejects.toThrow(/2_b.*division by zero/s)
      expect(await query(`SELECT to_regclass('t')::text, to_regclass('_prisma_migrations')::text`)).toEqual([
        [null, null],
      ])
      await write('2_b', 'CREATE TABLE u (a INT);')
      expect(await apply()).toEqual(['1_a', '2_b'])
    })

    it('may hold semicolons in texts and comments, and functions of many statements', async () => {
      const body = 'BEGIN RETURN 1; END;'
      await write(
        '1_a',
        `-- one; two\nCREATE TABLE t (a TEXT DEFAULT ';');\nINSERT INTO t DEFAULT VALUES;
         CREATE FUNCTION f() RETURNS INT AS $$ ${body} $$ LANGUAGE plpgsql;`,
      )
      await apply()
      expect(await query('SELECT a, f() FROM t')).toEqual([[';', 1]])
    })

    it('are refused when they were changed after they applied', async () => {
      await write('1_a', 'CREATE TABLE t (a INT);')
      await apply()
      await write('1_a', 'CREATE TABLE t (a TEXT);')
      await expect(apply()).rejects.toThrow('The migration 1_a was changed after it was applied')
    })

    it('of a newer version keep an older one from the database', async () => {
      await write('1_a', 'CREATE TABLE t (a INT);')
      await apply()
      await opened.database.inMigration(async (factory) => {
        const adapter = await factory.connect()
        await adapter.executeScript(`UPDATE _prisma_migrations SET migration_name = '9_z'`)
      })
      await expect(apply()).rejects.toThrow('migration 9_z, which this version of the gateway does not know')
    })
  })
}
