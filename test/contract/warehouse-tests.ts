// What the parts of the warehouse port's contract share: the warehouse under test, and how they ask it.

import { join } from 'node:path'
import { expect } from 'vitest'
import { AppError } from '../../src/errors.ts'
import type { ParquetEngine } from '../../src/parquet/engine.ts'
import type { Column, Row, Value } from '../../src/values/columns.ts'
import type { KeyValue } from '../../src/values/key-values.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'

export interface WarehouseUnderTest {
  /** Opens an empty warehouse; again, the one that the last call left closed. */
  open(): Promise<Warehouse>
  /** Where it may write Parquet. */
  folder: string
  remove(): Promise<void>
  /** Statements in the engine's own SQL. */
  sql: {
    /** Runs for many seconds. */
    slow: string
    /** What may not run: each reads or changes what it must not. */
    refused: readonly string[]
    /** One row with a column for each type; and what it must give. */
    values: readonly { sql: string; type: string; value: Value }[]
  }
}

/** Open once the tests run. */
export interface Opened {
  subject: WarehouseUnderTest
  warehouse: Warehouse
  parquet: ParquetEngine
}

export type WarehouseTests = ReturnType<typeof askWarehouse>

export function askWarehouse(at: Opened) {
  const users = (
    columns: readonly string[],
    rows: readonly Row[],
    jobId: string = crypto.randomUUID(),
    batch = 0,
  ) => at.warehouse.append({ jobId, batch, tables: [{ table: 'users', columns, rows }] })
  const lookup = (sql: string, key: string, values: readonly KeyValue[]) =>
    at.warehouse.lookup({ sql, key: [key], values: values.map((value) => [value]) })
  const usersOf = (prefix: string) => `SELECT * FROM feature_store.users WHERE user_id LIKE '${prefix}%'`
  const refusal = async (promise: Promise<unknown>): Promise<AppError> => {
    const error = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(AppError)
    return error as AppError
  }

  async function exported(sql: string, saved?: readonly Column[]) {
    const path = join(at.subject.folder, `${crypto.randomUUID()}.parquet`)
    const result = await at.warehouse.exportParquet({ sql, saved, path })
    return { ...result, rows: (await at.parquet.read(path, { columns: result.columns })).rows }
  }

  return { users, lookup, usersOf, refusal, exported }
}
