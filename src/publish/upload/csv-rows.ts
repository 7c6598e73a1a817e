// Rows out of a body of CSV as RFC 4180 has it: a header with the columns' names, an empty field for a null, `""` for an empty text.

import { AppError } from '../../errors.ts'
import { longestRowBytes } from './json-rows.ts'

/** A null is an empty field without quotes. */
type Field = string | null

export async function* readCsv(body: AsyncIterable<Buffer>): AsyncGenerator<unknown[]> {
  let names: string[] | null = null
  let row = 0
  for await (const records of readRecords(body)) {
    const rows: unknown[] = []
    for (const record of records) {
      if (names === null) names = readHeader(record)
      else if (record.length === 1 && record[0] === null && names.length > 1) continue
      else {
        if (record.length !== names.length) throw uneven(row, record.length, names.length)
        rows.push(toObject(names, record))
        row++
      }
    }
    yield rows
  }
  if (names === null) throw new AppError('BAD_USER_INPUT', 'The body is empty; CSV begins with a header.')
}

function toObject(names: readonly string[], record: readonly Field[]): Record<string, Field> {
  // `__proto__` may be a column's name.
  const object: Record<string, Field> = Object.create(null)
  for (const [i, name] of names.entries()) object[name] = record[i] ?? null
  return object
}

function readHeader(record: readonly Field[]): string[] {
  const names = record.map((name) => name ?? '')
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (names.includes('') || twice !== undefined)
    throw new AppError(
      'BAD_USER_INPUT',
      `The first line of the body must name its columns, each once; ${twice === undefined ? 'one has no name' : `${JSON.stringify(twice)} comes twice`}.`,
    )
  return names
}

function uneven(row: number, given: number, expected: number): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    `Row ${row} of the body has ${given} fields, and its header ${expected}: separate them by commas, and put those that hold commas, quotes or line breaks in quotes.`,
  )
}

async function* readRecords(body: AsyncIterable<Buffer>): AsyncGenerator<Field[][]> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const reader = createRecordReader()
  const decode = (piece?: Buffer) => {
    try {
      return piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true })
    } catch (cause) {
      throw new AppError('BAD_USER_INPUT', 'The body is no UTF-8 text.', { cause })
    }
  }
  for await (const piece of body) yield reader.take(decode(piece))
  yield reader.take(decode())
  yield reader.end()
}

/** START of a field; PLAIN, one without quotes; QUOTED; CLOSED, after a quote that ends it or is the first of two. */
type State = 'START' | 'PLAIN' | 'QUOTED' | 'CLOSED'

function createRecordReader() {
  const marks = /[,\n\r"]/g
  let state: State = 'START'
  let text = ''
  let record: Field[] = []
  let [isAfterReturn, length] = [false, 0]

  function endField() {
    record.push(state === 'START' ? null : text)
    state = 'START'
    text = ''
  }

  function endRecord(): Field[] {
    endField()
    const ended = record
    record = []
    length = 0
    return ended
  }

  function takePlain(piece: string, from: number): number {
    marks.lastIndex = from
    const end = marks.exec(piece)?.index ?? piece.length
    text += piece.slice(from, end)
    return end
  }

  function takeQuoted(piece: string, from: number): number {
    const end = piece.indexOf('"', from)
    text += piece.slice(from, end < 0 ? piece.length : end)
    if (end < 0) return piece.length
    state = 'CLOSED'
    return end + 1
  }

  /** A quote, a comma or the end of a line, outside of quotes. */
  function takeMark(mark: string, records: Field[][]) {
    if (mark === '"') {
      if (state === 'PLAIN') throw strayQuote(record.length)
      if (state === 'CLOSED') text += '"'
      state = 'QUOTED'
    } else if (mark === ',') endField()
    else if (mark === '\r' || !isAfterReturn) records.push(endRecord())
    isAfterReturn = mark === '\r'
  }

  return {
    take(piece: string): Field[][] {
      const records: Field[][] = []
      let at = 0
      while (at < piece.length) {
        const before = at
        if (state === 'QUOTED') at = takeQuoted(piece, at)
        else {
          const mark = piece.charAt(at)
          if (/[,\n\r"]/.test(mark)) {
            takeMark(mark, records)
            at++
          } else {
            if (state === 'CLOSED') throw strayQuote(record.length)
            state = 'PLAIN'
            isAfterReturn = false
            at = takePlain(piece, at)
          }
        }
        length += at - before
        if (length > longestRowBytes)
          throw new AppError(
            'TOO_LARGE',
            `A row is longer than ${longestRowBytes / 1024 / 1024} MB, the longest that is taken.`,
          )
      }
      return records
    },
    end(): Field[][] {
      if (state === 'QUOTED') throw new AppError('BAD_USER_INPUT', 'The body ends within quotes.')
      return state === 'START' && record.length === 0 ? [] : [endRecord()]
    },
  }
}

function strayQuote(field: number): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    `Field ${field + 1} of a row has a quote in its middle: a field with quotes stands in quotes, and each quote in it is doubled.`,
  )
}
