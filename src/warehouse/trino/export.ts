// Exports a statement's result: pages as they come, as CSV that the Parquet engine reads meanwhile.

import { Readable } from 'node:stream'
import type { CsvWriter } from '../../parquet/csv-to-parquet.ts'
import { createCsvEncoder, exportCsv } from '../csv-export.ts'
import { selectFrom } from '../planned-statement.ts'
import type { ExportRequest, ExportResult } from '../port.ts'
import { toTrinoError } from './error.ts'
import { Disturbed, type Pin } from './ledger.ts'
import { type ReadParts, readAtOneVersion } from './pinned.ts'
import type { TrinoStatement } from './plan.ts'
import type { Cell, Page } from './session.ts'

/** Else the server drops an ORDER BY that stands in parentheses. */
const sessionOfExport = { skip_redundant_sort: 'false' }

export async function exportPages(
  parts: ReadParts & { csv: CsvWriter },
  plan: TrinoStatement,
  request: ExportRequest,
  held: Pin | null,
): Promise<ExportResult> {
  const { signal } = request
  if (!plan.analysis.readsAppends) return exportOnce(parts, plan, request, () => Promise.resolve())
  return readAtOneVersion(parts, plan, (pinned, check) => exportOnce(parts, pinned, request, check), {
    signal,
    held,
  })
}

async function exportOnce(
  { session, csv }: Parameters<typeof exportPages>[0],
  plan: TrinoStatement,
  request: ExportRequest,
  check: () => Promise<unknown>,
): Promise<ExportResult> {
  const { sql, signal, onProgress } = request
  const pages = session.pages('slow', selectFrom(plan).text, { signal, session: sessionOfExport })
  let rowCount = 0
  let disturbed: Disturbed | null = null
  const encode = createCsvEncoder<Cell>(plan.carriers)
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
    const source = Readable.from(lines(), { objectMode: false })
    return await exportCsv(csv, plan, request, { source, rowCount: () => rowCount })
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
