// The Range header of a request, for one range of bytes.

export interface ByteRange {
  /** The first and the last byte, both included. */
  start: number
  end: number
}

const single = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/i

/**
 * The range that is asked for, 'unsatisfiable' when it lies beyond the file, or null to send the whole: when nothing
 * is asked for, when it cannot be read, and when several ranges are (a server may always send the whole).
 */
export function parseByteRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | null {
  const [, from = '', to = ''] = (header === undefined ? null : single.exec(header)) ?? []
  if (from === '' && to === '') return null
  if (from === '') {
    const length = Math.min(Number(to), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(from)
  const end = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (to !== '' && Number(to) < start) return null
  return start >= size ? 'unsatisfiable' : { start, end }
}
