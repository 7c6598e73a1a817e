// The peer of a refresh in full, in a process of its own: a bare cursor, and bare pipelines of SET (or puts), nothing else.

import { text } from 'node:stream/consumers'
import { DuckDBInstance } from '@duckdb/node-api'
import { Redis } from 'ioredis'
import { open } from 'lmdb'
import pg from 'pg'

const rowsAtOnce = 2000
const writesAtOnce = 4

interface Job {
  sql: string
  warehouse: { file: string } | { url: string }
  online: { folder: string } | { url: string }
}

type Cells = Record<string, unknown>

async function* fromDuckDb(file: string, sql: string): AsyncGenerator<Cells[]> {
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  const result = await connection.stream(sql)
  for await (const rows of result.yieldRowObjectJs()) yield rows
}

async function* fromPostgres(url: string, sql: string): AsyncGenerator<Cells[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`BEGIN; DECLARE rows NO SCROLL CURSOR FOR ${sql}`)
  for (;;) {
    const { rows } = await client.query(`FETCH ${rowsAtOnce} FROM rows`)
    if (rows.length === 0) break
    yield rows
  }
  await client.end()
}

function toRedis(url: string) {
  const redis = new Redis(url)
  return {
    async write(rows: Cells[]) {
      const pipeline = redis.pipeline()
      for (const row of rows) pipeline.set(`peer:${row.user_id}`, JSON.stringify([row], plain))
      await pipeline.exec()
    },
    close: () => redis.quit(),
  }
}

function toLmdb(folder: string) {
  const db = open<string, string>(folder, { encoding: 'string' })
  return {
    write: (rows: Cells[]) =>
      db.transaction(() => {
        for (const row of rows) db.putSync(`peer:${row.user_id}`, JSON.stringify([row], plain))
      }),
    close: () => db.close(),
  }
}

function plain(_: string, value: unknown) {
  return typeof value === 'bigint' ? Number(value) : value
}

console.log('ready')
const { sql, warehouse, online } = JSON.parse(await text(process.stdin)) as Job
const startedAt = performance.now()
const batches = 'file' in warehouse ? fromDuckDb(warehouse.file, sql) : fromPostgres(warehouse.url, sql)
const target = 'folder' in online ? toLmdb(online.folder) : toRedis(online.url)
const writing: Promise<unknown>[] = []
let rows = 0
for await (const batch of batches) {
  rows += batch.length
  writing.push(target.write(batch))
  if (writing.length >= writesAtOnce) await writing.shift()
}
await Promise.all(writing)
await target.close()
console.log(JSON.stringify({ seconds: (performance.now() - startedAt) / 1000, rows }))
// Its memory is read before it ends.
setInterval(() => {}, 1000)
