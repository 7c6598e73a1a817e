// The peer of a training query: DuckDB's own COPY, in a process that says when it is ready and does one statement.

import { text } from 'node:stream/consumers'
import { DuckDBInstance } from '@duckdb/node-api'

console.log('ready')
const { sql, file, memoryMb } = JSON.parse(await text(process.stdin)) as {
  sql: string
  file: string
  memoryMb: number
}
const instance = await DuckDBInstance.create(':memory:', { memory_limit: `${memoryMb}MB` })
const connection = await instance.connect()
const startedAt = performance.now()
await connection.run(`COPY (${sql}) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`)
const seconds = (performance.now() - startedAt) / 1000
const count = await connection.runAndReadAll(`SELECT count(*)::INTEGER FROM '${file}'`)
console.log(JSON.stringify({ seconds, rows: count.getRows()[0]?.[0] }))
// Its memory is read before it ends.
setInterval(() => {}, 1000)
