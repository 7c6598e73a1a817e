// Scans a result in the order of a key: its first rows come once the engine has read all that it sorts.

import type { Row } from '../../values/columns.ts'
import { selectWhere } from '../planned-statement.ts'
import type { ScanRequest, ScanResult } from '../port.ts'
import { toTrinoError } from './error.ts'
import { keyTermsOf } from './key-terms.ts'
import type { Pin } from './ledger.ts'
import { comesAfterKey, readRow } from './lookup.ts'
import { type ReadParts, readAtOneVersion } from './pinned.ts'
import type { TrinoStatement } from './plan.ts'
import type { Page } from './session.ts'
import { timelineTerms } from './timeline.ts'

type Pages = AsyncGenerator<Page, void, undefined>

export async function scan(
  parts: ReadParts,
  plan: TrinoStatement,
  request: ScanRequest,
  held: Pin | null,
): Promise<ScanResult> {
  const { sql, key, after, signal } = request
  const terms = keyTermsOf(plan, key)
  const timeline = timelineTerms(plan, request)
  const present = terms.map(({ expression }) => `${expression} IS NOT NULL`)
  const among = after === undefined ? present : [...present, comesAfterKey(terms, after)]
  const order = terms.map(({ expression }) => expression).join(', ')

  async function begin(pinned: TrinoStatement, check: () => Promise<number>) {
    const statement = `${selectWhere(pinned, among.join(' AND '), timeline).text} ORDER BY ${order}`
    const pages = parts.session.pages('stream', statement, { signal })
    try {
      const first = await nextRows(pages)
      return { pages, first, version: await check() }
    } catch (error) {
      await pages.return()
      throw error
    }
  }
  const { pages, first, version } = await readAtOneVersion(parts, plan, begin, { signal, held })

  const batches = async function* (): AsyncGenerator<readonly Row[]> {
    try {
      for (let page = first; page !== null; page = await nextRows(pages))
        yield page.rows.map((row) => readRow(plan, row))
    } catch (error) {
      throw toTrinoError(error, { sql, signal })
    } finally {
      await pages.return()
    }
  }
  return { version, columns: plan.columns, batches: batches() }
}

async function nextRows(pages: Pages): Promise<Page | null> {
  for (;;) {
    const { value, done } = await pages.next()
    if (done || value === undefined) return null
    if (value.rows.length > 0) return value
  }
}
