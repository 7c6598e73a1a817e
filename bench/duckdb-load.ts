// The peer of an upload: DuckDB's own COPY FROM into a table of a file, in a process that does one statement.

import { text } from 'node:stream/consumers'
import { DuckDBInstance } from '@duckdb/node-api'

const { file, database, columns, memoryMb } = JSON.parse(await text(process.stdin)) as {
  file: string
  database: string
  columns: string
  memoryMb: number
}
const instance = await DuckDBInstance.create(database, { memory_limit: `${memoryMb}MB` })
const connection = await instance.connect()
await connection.run(`CREATE TABLE loaded (${columns})`)
const startedAt = performance.now()
await connection.run(`COPY loaded FROM '${file}' (FORMAT parquet)`)
console.log(JSON.stringify({ seconds: (performance.now() - startedAt) / 1000 }))
