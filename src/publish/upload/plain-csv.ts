// Whether a body of CSV is plain: no quotes, no empty lines, each line with as many fields as its header. Then the engine can read it alone.

import { longestRowBytes } from './json-rows.ts'

export interface PlainCsv {
  names: readonly string[]
  lineEnd: '\n' | '\r\n'
  rowCount: number
}

const [zero, newline, carriageReturn, quote, comma] = [0x00, 0x0a, 0x0d, 0x22, 0x2c]

/** Null where it is not, or where it is at fault: whoever reads it field by field says where. */
export async function findPlainCsv(body: AsyncIterable<Buffer>): Promise<PlainCsv | null> {
  const header: Buffer[] = []
  let [lines, returns, fields, width, bytes, previous] = [0, 0, 1, 0, 0, newline]
  for await (const piece of body) {
    if (lines === 0) header.push(piece)
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i]
      bytes++
      if (byte === comma) fields++
      else if (byte === newline) {
        if (previous === newline || (previous === carriageReturn && bytes === 2)) return null
        if (lines === 0) width = fields
        if (fields !== width || bytes > longestRowBytes) return null
        lines++
        fields = 1
        bytes = 0
      } else if (byte === carriageReturn) returns++
      else if (byte === quote || byte === zero) return null
      if (previous === carriageReturn && byte !== newline) return null
      previous = byte ?? zero
    }
    // A row without an end must not be read on and on.
    if (bytes > longestRowBytes) return null
  }
  if (lines === 0 || width < 2) return null
  if (returns !== 0 && returns !== lines) return null
  if (previous !== newline) {
    if (fields !== width) return null
    lines++
  }
  const names = readNames(Buffer.concat(header))
  if (names === null) return null
  return { names, lineEnd: returns === 0 ? '\n' : '\r\n', rowCount: lines - 1 }
}

function readNames(start: Buffer): string[] | null {
  const end = start.indexOf(newline)
  try {
    const line = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(start.subarray(0, end))
    const names = line.replace(/\r$/, '').split(',')
    const isPlain = !line.startsWith('\ufeff') && !names.includes('') && new Set(names).size === names.length
    return isPlain ? names : null
  } catch {
    return null
  }
}
