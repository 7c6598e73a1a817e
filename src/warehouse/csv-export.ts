// Exports by way of CSV: what an engine sends of a statement's rows, the Parquet engine reads as it comes.

import type { Readable } from 'node:stream'
import type { CsvRequest, CsvWriter } from '../parquet/csv-to-parquet.ts'
import { quoteName } from '../sql/sql-text.ts'
import type { PlannedStatement } from './planned-statement.ts'
import type { ExportRequest, ExportResult } from './port.ts'

export interface CsvCarrier {
  /** Whether the Parquet engine reads the text as a value of the storage type without being told how. */
  isPlain: boolean
  /** Its expression that makes the value of its text. */
  load(text: string): string
}

/** Of a single column, a second field must follow on each line: an empty line would be neither a null nor an empty text. */
export async function exportCsv(
  csv: CsvWriter,
  { columns, carriers }: PlannedStatement<CsvCarrier>,
  { path, isIntermediate, signal }: ExportRequest,
  { source, rowCount }: { source: Readable; rowCount: CsvRequest['rowCount'] },
): Promise<ExportResult> {
  const loaded = columns.map((column, i) => {
    const carrier = carriers[i]
    const load = carrier === undefined || carrier.isPlain ? null : carrier.load(quoteName(column.name))
    return { ...column, load }
  })
  const written = await csv.write({ columns: loaded, source, path, isIntermediate, rowCount, signal })
  return { columns: written.columns, rowCount: written.rowCount }
}

const special = /[",\n\r]/

/** Rows as lines, where the engine gives none itself. */
export function createCsvEncoder<Cell>(
  carriers: readonly { text(cell: Exclude<Cell, null>): string }[],
): (rows: readonly (readonly (Cell | null)[])[]) => string {
  const end = carriers.length === 1 ? ',1\n' : '\n'
  return (rows) => {
    let lines = ''
    for (const row of rows) {
      for (let i = 0; i < carriers.length; i++) {
        if (i > 0) lines += ','
        const cell = row[i] ?? null
        if (cell === null) continue
        const text = carriers[i]?.text(cell as Exclude<Cell, null>) ?? ''
        lines += text === '' || special.test(text) ? `"${text.replaceAll('"', '""')}"` : text
      }
      lines += end
    }
    return lines
  }
}
