// Rows out of what COPY … TO STDOUT sends in its text format: whole lines are decoded at once, not cell by cell.

import type { TextRow } from './messages.ts'

const newline = 0x0a

/** Takes pieces as they come, and gives the rows that are complete; the rest waits for the next piece. */
export function createRowReader(): (piece: Buffer) => TextRow[] {
  let rest: Buffer = Buffer.alloc(0)
  return (piece) => {
    const end = piece.lastIndexOf(newline)
    if (end < 0) {
      rest = Buffer.concat([rest, piece])
      return []
    }
    const whole = piece.toString('utf8', 0, end)
    const text = rest.length === 0 ? whole : Buffer.concat([rest, piece.subarray(0, end)]).toString('utf8')
    // A copy: the piece's memory is used again.
    rest = Buffer.from(piece.subarray(end + 1))
    return text.split('\n').map(readLine)
  }
}

function readLine(line: string): TextRow {
  const cells = line.split('\t')
  return line.includes('\\') ? cells.map(readCell) : cells
}

const escapes: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function readCell(cell: string): string | null {
  if (cell === '\\N') return null
  return cell.replace(/\\(.)/gs, (_, escaped: string) => escapes[escaped] ?? escaped)
}
