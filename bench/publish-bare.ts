// The peers of a publish: its rows and its users' features, made beforehand, written by nothing but the stores' own clients.

import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type DuckDBAppender, DuckDBInstance } from '@duckdb/node-api'
import { Redis } from 'ioredis'
import { open } from 'lmdb'
import { Client } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { createFlowGenerator } from '../src/demo/flows.ts'

type Cell = string | number | boolean | null

export interface Flows {
  count: number
  quotes: number
  tables: readonly { table: string; columns: readonly string[]; rows: readonly (readonly Cell[])[] }[]
  /** What the view gives for each user, as it is stored. */
  values: readonly { userId: string; text: string }[]
}

const columnTypes = {
  users: 'user_id VARCHAR, name VARCHAR, address VARCHAR, creation_date FLOAT8',
  quotes:
    'quote_id VARCHAR, user_id VARCHAR, creation_date FLOAT8, binding_date FLOAT8, quote_type VARCHAR, quote_device VARCHAR, is_binded BOOLEAN, is_paid BOOLEAN',
  transactions:
    'transaction_id VARCHAR, user_id VARCHAR, ref_id VARCHAR, ref_type VARCHAR, transaction_time FLOAT8, successful BOOLEAN, card_number VARCHAR, card_expiration_date FLOAT8, card_type VARCHAR',
  policies:
    'policy_id VARCHAR, user_id VARCHAR, quote_id VARCHAR, purchase_time FLOAT8, policy_type VARCHAR, policy_device VARCHAR',
}
const createTables = Object.entries(columnTypes)
  .map(([table, columns]) => `CREATE TABLE ${table} (${columns});`)
  .join('\n')

const valuesAtOnce = 1000

export function makeFlows({ seed, count }: { seed: number; count: number }): Flows {
  const tables = createFlowGenerator({ seed, run: 0 })(0, count) as Flows['tables']
  const rowsOf = (name: string) => tables.find(({ table }) => table === name)?.rows ?? []
  const transactions = new Map(rowsOf('transactions').map((row) => [row[1], row]))
  const policies = new Map(rowsOf('policies').map((row) => [row[1], row]))
  const quotes = rowsOf('quotes')
  const values = quotes.flatMap(([, userId, created, bound, , , isBinded]) => {
    if (typeof userId !== 'string') return []
    const transaction = transactions.get(userId)
    const policy = policies.get(userId)
    const features = {
      user_id: userId,
      is_binded: isBinded,
      creation_date: created,
      binding_date: bound,
      card_type: policy === undefined ? null : (transaction?.[8] ?? null),
      failed_count: transaction?.[5] === false ? 1 : null,
      purchase_time: policy?.[3] ?? null,
    }
    return [{ userId, text: JSON.stringify([features]) }]
  })
  return { count, quotes: quotes.length, tables, values }
}

/** Seconds. */
export async function writeEmbedded(folder: string, { tables, values }: Flows): Promise<number> {
  const instance = await DuckDBInstance.create(join(folder, 'bare.duckdb'))
  const connection = await instance.connect()
  const online = open<Buffer, string>(join(folder, 'online'), { encoding: 'binary', cache: false })
  try {
    await connection.run(createTables)
    const startedAt = performance.now()
    await connection.run('BEGIN')
    for (const { table, rows } of tables) {
      const appender = await connection.createAppender(table)
      for (const row of rows) appendRow(appender, row)
      appender.closeSync()
    }
    await connection.run('COMMIT')
    let written: Promise<boolean> = Promise.resolve(true)
    for (const { userId, text } of values) written = online.put(`users:${userId}`, Buffer.from(text))
    await written
    return (performance.now() - startedAt) / 1000
  } finally {
    await online.close()
    connection.closeSync()
    instance.closeSync()
  }
}

function appendRow(appender: DuckDBAppender, row: readonly Cell[]): void {
  for (const cell of row) {
    if (cell === null) appender.appendNull()
    else if (typeof cell === 'string') appender.appendVarchar(cell)
    else if (typeof cell === 'number') appender.appendDouble(cell)
    else appender.appendBoolean(cell)
  }
  appender.endRow()
}

/** Seconds. */
export async function writeToServers(
  { postgresUrl, redisUrl }: { postgresUrl: string; redisUrl: string },
  { tables, values }: Flows,
): Promise<number> {
  const client = new Client({ connectionString: postgresUrl })
  const redis = new Redis(redisUrl)
  await client.connect()
  try {
    await client.query(createTables)
    for (const table of Object.keys(columnTypes)) await client.query(`CREATE INDEX ON ${table} (user_id)`)
    const startedAt = performance.now()
    await client.query('BEGIN')
    for (const { table, columns, rows } of tables) {
      const copy = client.query(copyFrom(`COPY ${table} (${columns.join(', ')}) FROM STDIN`))
      await pipeline(Readable.from(textsOf(rows)), copy)
    }
    await client.query('COMMIT')
    for (let from = 0; from < values.length; from += valuesAtOnce) {
      const commands = redis.pipeline()
      for (const { userId, text } of values.slice(from, from + valuesAtOnce))
        commands.set(`users:${userId}`, text)
      await commands.exec()
    }
    return (performance.now() - startedAt) / 1000
  } finally {
    await redis.flushdb()
    await redis.quit()
    await client.end()
  }
}

function* textsOf(rows: readonly (readonly Cell[])[]): Generator<string> {
  for (let from = 0; from < rows.length; from += valuesAtOnce) {
    const lines = rows
      .slice(from, from + valuesAtOnce)
      .map((row) => row.map((cell) => (cell === null ? '\\N' : String(cell))).join('\t'))
    yield `${lines.join('\n')}\n`
  }
}
