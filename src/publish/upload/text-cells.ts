// One field of CSV: the text of a value, read by its column's type alone, as the same value in JSON would be.

import { type CellReading, createCellReader } from '../../values/cells.ts'
import type { Column } from '../../values/columns.ts'
import { parseJson } from '../../values/json-text.ts'
import { integerRange, parseStorage } from '../../values/storage-text.ts'

const wholeText = /^-?\d{1,39}$/
const numberText = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$/
const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  True: true,
  TRUE: true,
  false: false,
  False: false,
  FALSE: false,
}

/** Texts that are none of the type are left as they are, for the type's reader to refuse. */
export function createTextCellReader(column: Column): (given: unknown) => CellReading {
  const read = createCellReader(column)
  const parse = parserOf(column.storage)
  return (given) => (typeof given === 'string' ? parse(given, read) : read(given))
}

type Parse = (text: string, read: (given: unknown) => CellReading) => CellReading

function parserOf(storage: string): Parse {
  const { kind } = parseStorage(storage)
  if (kind === 'list' || kind === 'struct' || storage === 'JSON') return asJson
  if (integerRange(storage) !== undefined)
    return (text, read) => read(wholeText.test(text) ? BigInt(text) : text)
  if (storage === 'FLOAT' || storage === 'DOUBLE')
    return (text, read) => read(numberText.test(text) ? Number(text) : text)
  if (storage === 'BOOLEAN') return (text, read) => read(booleans[text] ?? text)
  return (text, read) => read(text)
}

function asJson(text: string, read: (given: unknown) => CellReading): CellReading {
  try {
    return read(parseJson(text))
  } catch {
    return { expected: 'the text of a value in JSON' }
  }
}
