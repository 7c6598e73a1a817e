// Rows as newline-delimited JSON: one object a line, values by the rules of columns.ts.

import { type Column, createRowEncoder, type Row } from '../../values/columns.ts'

export async function* encodeNdjson(
  columns: readonly Column[],
  batches: AsyncIterable<readonly Row[]>,
): AsyncGenerator<string> {
  const encodeRow = createRowEncoder(columns)
  for await (const rows of batches) {
    if (rows.length > 0) yield `${rows.map(encodeRow).join('\n')}\n`
  }
}
