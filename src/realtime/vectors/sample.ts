// Joined rows to try a feature service's ETL on: of what is there, else of values that are usual for their types.

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

/** Rows to try; one is of an entity that no view knows. */
const maxRows = 50

/** Of each type; a row takes one by its place. */
const usualValues: Record<ColumnType, readonly Value[]> = {
  BOOLEAN: [true, false],
  INT32: [1, 0, 7],
  INT64: [1, 0, 7],
  FLOAT64: [1.5, 0.3, 12.25],
  DECIMAL: [1.5, 0.3, 12.25],
  STRING: ['text', 'another'],
  BYTES: [new Uint8Array([1])],
  DATE: ['2026-01-31', '2025-12-01'],
  TIMESTAMP: ['2026-01-31T12:00:00Z', '2025-12-01T06:30:00.5Z'],
  LIST: [[]],
  STRUCT: [{}],
  JSON: [{}],
}

function usualOf(type: ColumnType, place: number): Value {
  const values = usualValues[type]
  return values[place % values.length] ?? null
}

export function createSampler(options: {
  realtime: Pick<Realtime, 'lookUpIn'>
  online: Pick<OnlineStore, 'sample'>
  warehouse: Pick<Warehouse, 'scan'>
  log: Logger
}): (input: JoinedInput) => Promise<readonly Row[]> {
  const { realtime, online, warehouse, log } = options

  async function someKeys(view: View): Promise<readonly string[]> {
    const known = await online.sample(view.id, maxRows)
    if (known.length > 0) return known
    const { sql, columns: saved } = view.query
    const isKey = view.key.names.map((name) => `${quoteName(name)} IS NOT NULL`).join(' AND ')
    const some = `SELECT * FROM (\n${sql}\n) sampled WHERE ${isKey} LIMIT ${maxRows}`
    const { columns, batches } = await warehouse.scan({ sql: some, saved, key: view.key.names })
    const keys = new Set<string>()
    for await (const rows of batches)
      for (const row of rows) {
        const text = view.key.textOfRow(row, placesOfKey(columns, view))
        if (text !== null) keys.add(text)
      }
    return [...keys]
  }

  /** One of each key; none where there is none, or none can be had. */
  async function someRows(view: View): Promise<readonly Readonly<Record<string, unknown>>[]> {
    try {
      const indexValues = await someKeys(view)
      const [answers = []] = indexValues.length === 0 ? [] : await realtime.lookUpIn([{ view, indexValues }])
      return answers.flatMap((answer) => {
        if (answer instanceof AppError) return []
        return (JSON.parse(toText(answer.rows)) as Record<string, unknown>[]).slice(0, 1)
      })
    } catch (error) {
      log.info({ err: error, view: view.record.name }, 'A feature view gave no rows to try an ETL on')
      return []
    }
  }

  /** The cells of the row in one place: those of the view's rows in turn. */
  async function featuresOf({ view, features }: ResolvedReference): Promise<(place: number) => Row> {
    const rows = await someRows(view)
    return (place) => {
      const row = rows[place % rows.length]
      return features.map(({ column }) =>
        row === undefined ? usualOf(column.type, place) : cellOf(column, row[column.name], place),
      )
    }
  }

  return async ({ indexKeys, requestColumns, references }) => {
    const features = await Promise.all(references.map(featuresOf))
    const given = (place: number) => [...indexKeys, ...requestColumns].map(({ type }) => usualOf(type, place))
    const unknown = references.flatMap((reference) => reference.features.map(() => null))
    return [
      ...Array.from({ length: maxRows }, (_, place) => [
        ...given(place),
        ...features.flatMap((cellsAt) => cellsAt(place)),
      ]),
      [...given(maxRows), ...unknown],
    ]
  }
}

function cellOf(column: Column, given: unknown, place: number): Value {
  const reading = createCellReader({ ...column, nullable: true })(given)
  return 'value' in reading ? reading.value : usualOf(column.type, place)
}
