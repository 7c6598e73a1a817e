// Rows on their way to Trino: as a text of JSON for each statement, of which the engine makes them again.

import { quoteText } from '../../sql/sql-text.ts'
import type { TableRows } from '../port.ts'
import { rowTexts } from '../row-texts.ts'
import type { TrinoWriter } from './write.ts'

/** A statement may have a million characters, as the server comes; a quote in a text counts twice. */
const maxCharacters = 450_000

export interface WrittenColumn {
  name: string
  writer: TrinoWriter
}

/** Each piece as a text of JSON. */
export function* jsonTexts(rows: TableRows, columns: readonly WrittenColumn[]): Generator<string> {
  const encoded = columns.map(({ name, writer }) => ({ name, encode: writer.json }))
  const join = (cells: readonly (string | null)[]) => `[${cells.map((text) => text ?? 'null').join(',')}]`
  for (const texts of rowTexts(rows, encoded, { length: maxCharacters, join })) yield `[${texts.join(',')}]`
}

/** One text holds all the rows: a literal has no other escape than the doubled quote, and the server parses it as data. */
export function relationOf(text: string): string {
  return `FROM UNNEST(CAST(json_parse(${quoteText(text)}) AS array(array(json)))) t(r)`
}
