// Rows out of a body of JSON, an array or a line each: read piece by piece, so that of a long body little is held.

import { AppError } from '../../errors.ts'
import { parseJson } from '../../values/json-text.ts'

/** A row may be as long as this. */
export const longestRowBytes = 16 * 1024 * 1024

const [newline, quote, backslash, comma] = [0x0a, 0x22, 0x5c, 0x2c]
const [leftBracket, rightBracket, leftBrace, rightBrace] = [0x5b, 0x5d, 0x7b, 0x7d]
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

export async function* readNdjson(body: AsyncIterable<Buffer>): AsyncGenerator<unknown[]> {
  let line = 0
  const parse = (text: Buffer): unknown[] => {
    line++
    return isBlank(text) ? [] : [parseRow(text, `Line ${line} of the body`)]
  }
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of withoutMark(body)) {
    const rows: unknown[] = []
    let start = 0
    for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, start)) {
      const text = piece.subarray(start, end)
      rows.push(...parse(rest.length === 0 ? text : Buffer.concat([rest, text])))
      rest = Buffer.alloc(0)
      start = end + 1
    }
    rest = Buffer.concat([rest, piece.subarray(start)])
    assertShort(rest.length, `line ${line + 1}`)
    yield rows
  }
  yield parse(rest)
}

/** An array's elements are cut out of it by their brackets and quotes, and each is parsed by itself. */
export async function* readJsonArray(body: AsyncIterable<Buffer>): AsyncGenerator<unknown[]> {
  const splitter = createSplitter()
  for await (const piece of withoutMark(body)) yield splitter.take(piece)
  splitter.end()
}

/** BEFORE and AFTER the array; within it an ELEMENT, or where one must come. */
type Place = 'BEFORE' | 'BETWEEN' | 'ELEMENT' | 'AFTER'

function createSplitter() {
  let place: Place = 'BEFORE'
  let [depth, row] = [0, 0]
  let [inText, isEscaped] = [false, false]
  let rest: Buffer = Buffer.alloc(0)

  /** Whether an element begins with this byte. */
  function between(code: number): boolean {
    if (isSpace(code)) return false
    if (code === rightBracket && row === 0) {
      place = 'AFTER'
      return false
    }
    if (code === comma || code === rightBracket) throw notJson(`row ${row} is missing`)
    place = 'ELEMENT'
    return true
  }

  /** Whether the element has ended before this byte. */
  function within(code: number): boolean {
    if (inText) {
      if (isEscaped) isEscaped = false
      else if (code === backslash) isEscaped = true
      else if (code === quote) inText = false
      return false
    }
    if (code === quote) inText = true
    else if (code === leftBracket || code === leftBrace) depth++
    else if ((code === rightBracket || code === rightBrace) && depth > 0) depth--
    else return depth === 0 && (code === comma || code === rightBracket)
    return false
  }

  function outside(code: number) {
    if (isSpace(code)) return
    if (place === 'AFTER') throw notJson('something stands behind its end')
    if (code !== leftBracket) throw notJson('it does not begin with [')
    place = 'BETWEEN'
  }

  return {
    take(piece: Buffer): unknown[] {
      const rows: unknown[] = []
      let start = 0
      for (let at = 0; at < piece.length; at++) {
        const code = piece[at] ?? 0
        if (place === 'ELEMENT') {
          if (!within(code)) continue
          rows.push(parseRow(Buffer.concat([rest, piece.subarray(start, at)]), `Row ${row}`))
          rest = Buffer.alloc(0)
          row++
          place = code === comma ? 'BETWEEN' : 'AFTER'
        } else if (place !== 'BETWEEN') outside(code)
        else if (between(code)) {
          start = at
          within(code)
        }
      }
      if (place === 'ELEMENT') rest = Buffer.concat([rest, piece.subarray(start)])
      assertShort(rest.length, `row ${row}`)
      return rows
    },
    end() {
      if (place !== 'AFTER') throw notJson(`it ends before its last bracket, in row ${row}`)
    },
  }
}

function parseRow(text: Buffer, what: string): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(text))
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : 'it is no UTF-8, or nested too deep'
    throw new AppError('BAD_USER_INPUT', `${what} is no JSON: ${reason}`, { cause })
  }
}

function notJson(reason: string): AppError {
  return new AppError('BAD_USER_INPUT', `The body is no JSON array of rows: ${reason}.`)
}

function assertShort(bytes: number, what: string) {
  if (bytes <= longestRowBytes) return
  const most = longestRowBytes / 1024 / 1024
  throw new AppError('TOO_LARGE', `The body's ${what} is longer than ${most} MB, the longest that is taken.`)
}

async function* withoutMark(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let isFirst = true
  for await (const piece of body) {
    const isMarked = isFirst && piece.subarray(0, 3).equals(byteOrderMark)
    isFirst = false
    yield isMarked ? piece.subarray(3) : piece
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function isBlank(text: Buffer): boolean {
  return text.every(isSpace)
}
