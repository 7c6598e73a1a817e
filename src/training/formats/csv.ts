// Rows as CSV by RFC 4180, with a header. A null is an empty field, an empty string is `""`: readers can tell them apart.

import { type Column, encodeValue, type Row, type Value } from '../../columns.ts'
import { parseStorage } from './storage.ts'

const lineEnd = '\r\n'

export async function* encodeCsv(
  columns: readonly Column[],
  batches: AsyncIterable<readonly Row[]>,
): AsyncGenerator<string> {
  const fields = columns.map(createFieldEncoder)
  yield columns.map((column) => quote(column.name)).join(',') + lineEnd
  for await (const rows of batches) {
    let text = ''
    for (const row of rows) {
      text += fields.map((encode, i) => encode(row[i] ?? null)).join(',') + lineEnd
    }
    if (text !== '') yield text
  }
}

function createFieldEncoder(column: Column): (value: Value) => string {
  const storage = parseStorage(column.storage)
  const scale = storage.kind === 'decimal' ? storage.scale : null
  const isJson = column.type === 'JSON'
  return (value) => {
    if (value === null) return ''
    if (isJson) return quote(encodeValue(value))
    switch (typeof value) {
      case 'string':
        return quote(value)
      case 'number':
        return scale === null ? numberText(value) : value.toFixed(scale)
      case 'boolean':
      case 'bigint':
        return String(value)
      case 'object':
        return quote(value instanceof Uint8Array ? Buffer.from(value).toString('base64') : encodeValue(value))
    }
  }
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

/** Quotes what a reader could mistake: separators, quotes, line ends, outer blanks, and emptiness. */
function quote(text: string): string {
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
