// A joined row to try a feature service's ETL on: of what is there, else of values that are usual for their types.

import type { Logger } from 'pino'
import { AppError } from '../../errors.ts'
import type { ResolvedReference } from '../../features/references.ts'
import type { JoinedInput } from '../../features/service-etl.ts'
import type { View } from '../../features/views.ts'
import type { OnlineStore } from '../../online/port.ts'
import { quoteName } from '../../sql/sql-text.ts'
import { toText } from '../../values/byte-text.ts'
import { createCellReader } from '../../values/cells.ts'
import type { Column, ColumnType, Row, Value } from '../../values/columns.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import { placesOfKey } from '../compute.ts'
import type { Realtime } from '../service.ts'

const usualValues: Record<ColumnType, Value> = {
  BOOLEAN: true,
  INT32: 1,
  INT64: 1,
  FLOAT64: 1.5,
  DECIMAL: 1.5,
  STRING: 'text',
  BYTES: new Uint8Array([1]),
  DATE: '2026-01-31',
  TIMESTAMP: '2026-01-31T12:00:00Z',
  LIST: [],
  STRUCT: {},
  JSON: {},
}

export function createSampler(options: {
  realtime: Pick<Realtime, 'lookUpIn'>
  online: Pick<OnlineStore, 'sample'>
  warehouse: Pick<Warehouse, 'scan'>
  log: Logger
}): (input: JoinedInput) => Promise<Row> {
  const { realtime, online, warehouse, log } = options

  async function anyKey(view: View): Promise<string | null> {
    const [known] = await online.sample(view.id, 1)
    if (known !== undefined) return known
    const { sql, columns: saved } = view.query
    const isKey = view.key.names.map((name) => `${quoteName(name)} IS NOT NULL`).join(' AND ')
    const one = `SELECT * FROM (\n${sql}\n) sampled WHERE ${isKey} LIMIT 1`
    const { columns, batches } = await warehouse.scan({ sql: one, saved, key: view.key.names })
    for await (const [row] of batches)
      if (row !== undefined) return view.key.textOfRow(row, placesOfKey(columns, view))
    return null
  }

  /** Null where there is none, or none can be had. */
  async function anyRow(view: View): Promise<Readonly<Record<string, unknown>> | null> {
    try {
      const key = await anyKey(view)
      if (key === null) return null
      const [answers] = await realtime.lookUpIn([{ view, indexValues: [key] }])
      const [answer] = answers ?? []
      if (answer === undefined || answer instanceof AppError) return null
      const [row] = JSON.parse(toText(answer.rows)) as Record<string, unknown>[]
      return row ?? null
    } catch (error) {
      log.info({ err: error, view: view.record.name }, 'A feature view gave no row to try an ETL on')
      return null
    }
  }

  async function featuresOf({ view, features }: ResolvedReference): Promise<Row> {
    const row = await anyRow(view)
    return features.map(({ column }) =>
      row === null ? usualValues[column.type] : cellOf(column, row[column.name]),
    )
  }

  return async ({ indexKeys, requestColumns, references }) => {
    const features = await Promise.all(references.map(featuresOf))
    return [...[...indexKeys, ...requestColumns].map(({ type }) => usualValues[type]), ...features.flat()]
  }
}

function cellOf(column: Column, given: unknown): Value {
  const reading = createCellReader({ ...column, nullable: true })(given)
  return 'value' in reading ? reading.value : usualValues[column.type]
}
