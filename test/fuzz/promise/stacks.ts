// The stacks that the promise is attacked on, each on tables of one kind of key, made anew.

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { dataPaths } from '../../../src/config/config.ts'
import { createDataFolder } from '../../data-folder.ts'
import { openStack, type Stack } from '../../realtime/stack.ts'
import { startPostgres } from '../../servers/postgres.ts'
import { startRedis } from '../../servers/redis.ts'
import { execute } from '../../warehouse/open-postgres.ts'
import type { Dice } from './dice.ts'
import { createTables, type EngineName, type KeyKind } from './tables.ts'

/** Opens a stack in whose warehouse the tables stand. */
export type OpenStack = (kind: KeyKind, dice: Dice) => Promise<Stack>

export interface Place {
  name: string
  engine: EngineName
  open: OpenStack
  stop(): Promise<void>
}

export async function onDuckdb(): Promise<Place> {
  return {
    name: 'DuckDB and LMDB',
    engine: 'duckdb',
    async open(kind, dice) {
      const folder = await createDataFolder('promise')
      const file = dataPaths(folder.path).warehouse
      await mkdir(dirname(file), { recursive: true })
      const instance = await DuckDBInstance.create(file)
      const connection = await instance.connect()
      await connection.run('CREATE SCHEMA feature_store')
      for (const statement of createTables('duckdb', kind, dice)) await connection.run(statement)
      connection.closeSync()
      instance.closeSync()
      return openStack({ folder })
    },
    stop: async () => {},
  }
}

export async function onPostgres(from: 'MACHINE' | 'PACKAGE'): Promise<Place> {
  const [server, redis] = await Promise.all([startPostgres({ from }), startRedis()])
  let opened = 0
  return {
    name: from === 'MACHINE' ? 'the machine’s PostgreSQL and Redis' : 'PostgreSQL 17 and Redis',
    engine: 'postgres',
    async open(kind, dice) {
      const database = `promise_${opened++}`
      await execute(server.url, `CREATE DATABASE ${database}`)
      const url = server.databaseUrl(database)
      await execute(url, ['CREATE SCHEMA feature_store', ...createTables('postgres', kind, dice)].join(';\n'))
      return openStack({ warehouseUrl: url, onlineUrl: `${redis.url}/${opened % 16}` })
    },
    async stop() {
      await Promise.all([server.stop(), redis.stop()])
    },
  }
}
