// Exports a statement's result: pages as they come, as CSV that the Parquet engine reads meanwhile.

import { Readable } from 'node:stream'
import type { CsvWriter } from '../../parquet/csv-to-parquet.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { ExportRequest, ExportResult } from '../port.ts'
import { toTrinoError } from './error.ts'
import { Disturbed, type Ledger } from './ledger.ts'
import type { PlannedStatement } from './plan.ts'
import type { CellRow, Page, TrinoSession } from './session.ts'

/** Else the server drops an ORDER BY that stands in parentheses. */
const sessionOfExport = { skip_redundant_sort: 'false' }

export async function exportPages(
  { session, ledger, csv }: { session: TrinoSession; ledger: Ledger; csv: CsvWriter },
  plan: PlannedStatement,
  request: ExportRequest,
): Promise<ExportResult> {
  const { signal } = request
  const write = (check: () => Promise<unknown>) => exportOnce({ session, csv }, plan, request, check)
  if (!plan.analysis.readsAppends) return write(() => Promise.resolve())
  return ledger.whileUnchanged(plan.analysis.rowsTables, write, signal)
}

async function exportOnce(
  { session, csv }: { session: TrinoSession; csv: CsvWriter },
  plan: PlannedStatement,
  { path, isIntermediate, signal, sql, onProgress }: ExportRequest,
  check: () => Promise<unknown>,
): Promise<ExportResult> {
  const pages = session.pages('slow', plan.select, { signal, session: sessionOfExport })
  let rowCount = 0
  let disturbed: Disturbed | null = null
  const encode = createEncoder(plan)
  const report = ({ fraction }: Page) => onProgress?.({ fraction })
  try {
    // The engine is not asked to wait for what may take the server long.
    const first = await nextWithRows(pages, report)
    const lines = async function* () {
      try {
        for (let page = first; page !== null; page = await nextWithRows(pages, report)) {
          rowCount += page.rows.length
          yield Buffer.from(encode(page.rows))
        }
        await check()
      } catch (error) {
        if (error instanceof Disturbed) disturbed = error
        throw toTrinoError(error, { sql, signal })
      }
    }
    const columns = plan.columns.map((column, i) => {
      const carrier = plan.carriers[i]
      const load = carrier === undefined || carrier.isPlain ? null : carrier.load(quoteName(column.name))
      return { ...column, load }
    })
    const source = Readable.from(lines(), { objectMode: false })
    const written = await csv.write({
      columns,
      source,
      path,
      isIntermediate,
      rowCount: () => rowCount,
      signal,
    })
    return { columns: written.columns, rowCount: written.rowCount }
  } catch (error) {
    throw disturbed ?? error
  } finally {
    await pages.return()
  }
}

async function nextWithRows(
  pages: AsyncGenerator<Page, void, undefined>,
  report: (page: Page) => void,
): Promise<Page | null> {
  for (;;) {
    const { value, done } = await pages.next()
    if (done || value === undefined) return null
    report(value)
    if (value.rows.length > 0) return value
  }
}

const special = /[",\n\r]/

/** Of a single column, a second field follows: an empty line would be neither a null nor an empty text. */
function createEncoder({ carriers }: PlannedStatement): (rows: readonly CellRow[]) => string {
  const end = carriers.length === 1 ? ',1\n' : '\n'
  return (rows) => {
    let lines = ''
    for (const row of rows) {
      for (let i = 0; i < carriers.length; i++) {
        if (i > 0) lines += ','
        const cell = row[i] ?? null
        if (cell === null) continue
        const text = carriers[i]?.text(cell) ?? ''
        lines += text === '' || special.test(text) ? `"${text.replaceAll('"', '""')}"` : text
      }
      lines += end
    }
    return lines
  }
}
