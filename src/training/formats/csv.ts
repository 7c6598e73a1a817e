// Rows as CSV by RFC 4180, with a header. A null is an empty field, an empty string is `""`: readers can tell them apart.

import { type Column, encodeValue, type Row, type Value } from '../../values/columns.ts'
import { writeDecimal } from '../../values/decimal.ts'
import { formatJson } from '../../values/json-text.ts'
import { parseStorage } from '../../values/storage-text.ts'

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
  if (column.type === 'JSON') return (value) => (value === null ? '' : quote(formatJson(value)))
  const storage = parseStorage(column.storage)
  const writeNumber = storage.kind === 'decimal' ? (value: number) => decimalText(value, storage) : numberText
  return (value) => {
    if (value === null) return ''
    switch (typeof value) {
      case 'string':
        return quote(value)
      case 'number':
        return writeNumber(value)
      case 'boolean':
      case 'bigint':
        return String(value)
      case 'object':
        return quote(value instanceof Uint8Array ? Buffer.from(value).toString('base64') : encodeValue(value))
    }
  }
}

/** With all its places: 1.5 at scale 3 is 1.500. */
function decimalText(value: number, { precision, scale }: { precision: number; scale: number }): string {
  const scaled = writeDecimal(String(value), precision, scale)
  if (scaled === null || scale === 0) return String(scaled ?? value)
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, '0')
  return `${scaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

/** Quotes what a reader could mistake: separators, quotes, line ends, outer blanks, and emptiness. */
function quote(text: string): string {
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
