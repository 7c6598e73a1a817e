// Tables without rows in place of views over files: the engine writes down no plan that reads CSV or JSON.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { JudgedStatement } from '../../duckdb/statement.ts'
import { nameInEngine, quoteName } from '../../sql/sql-text.ts'
import type { WarehouseTable } from '../port.ts'

const catalog = 'gateway_stand_ins'

export interface StandIns {
  /** Of the views that there are, and have since changed. */
  renew(connection: DuckDBConnection, views: readonly WarehouseTable[]): Promise<void>
  /** The statement as it reads from the stand-ins. */
  replace(judged: JudgedStatement): string
}

export async function createStandIns(connection: DuckDBConnection): Promise<StandIns> {
  await connection.run(`ATTACH ':memory:' AS ${catalog}`)
  const keyOf = (schema: string, name: string) => JSON.stringify([schema, name].map(nameInEngine))
  const keys = new Set<string>()

  async function renew(own: DuckDBConnection, views: readonly WarehouseTable[]) {
    for (const { schema, name } of views) {
      await own.run(`CREATE SCHEMA IF NOT EXISTS ${catalog}.${quoteName(schema)}`)
      const path = `${quoteName(schema)}.${quoteName(name)}`
      await own.run(`CREATE OR REPLACE TABLE ${catalog}.${path} AS SELECT * FROM ${path} LIMIT 0`)
      keys.add(keyOf(schema, name))
    }
  }

  function replace({ sql, tables }: JudgedStatement): string {
    const places = tables
      .filter(({ catalog: own, schema, name }) => own === '' && keys.has(keyOf(schema || 'main', name)))
      .flatMap(({ offset, schema }) => (offset === undefined ? [] : [[offset, schema] as const]))
    const text = Buffer.from(sql)
    const parts: Buffer[] = []
    let from = 0
    for (const [offset, schema] of [...new Map(places)].sort(([a], [b]) => a - b)) {
      parts.push(text.subarray(from, offset), Buffer.from(`${catalog}.${schema === '' ? 'main.' : ''}`))
      from = offset
    }
    return Buffer.concat([...parts, text.subarray(from)]).toString()
  }

  return { renew, replace }
}
