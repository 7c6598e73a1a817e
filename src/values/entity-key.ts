// Entity keys: a tuple of typed values, and the one canonical text under which their entity is kept.

import { AppError } from '../errors.ts'
import type { Column, Row, Value } from './columns.ts'
import {
  assertKeyColumn,
  canonicalTest,
  canonicalText,
  type KeyValue,
  keyValueOfCell,
  parseIndexValue,
} from './key-values.ts'

/** One for each of the key's columns, in their order; an entity without one of them has no key. */
export type KeyValues = readonly KeyValue[]

/** Values by their canonical text. */
export type KeysByText = ReadonlyMap<string, KeyValues>

export interface EntityKey {
  columns: readonly Column[]
  values: KeyValues
  /** Equal keys of a view have equal texts, others do not. Of one column its value's own text, of several a JSON array of theirs. */
  text: string
}

/** What the keys of a feature view are. */
export interface KeyType {
  columns: readonly Column[]
  /** The columns' names. */
  names: readonly string[]
  /** As clients write the names, and as they are told them: the one name, or a JSON array of several. */
  text: string
  /** For people: `origin, carrier`. */
  label: string
  /** A client's text as a key; BAD_USER_INPUT, with what would be right, when it is none. */
  parse(text: string): EntityKey
  /** Whether a client's text is sure to be canonical, told faster than by `parse`. */
  isCanonical(text: string): boolean
  /** Cells as a key, whatever form they arrived in; null where one is null, undefined where one cannot be of a key. */
  ofCells(cells: readonly Value[]): EntityKey | null | undefined
  /** The canonical text of a row whose key stands in these places; null when a cell of it is null. */
  textOfRow(row: Row, places: readonly number[]): string | null
}

/** Refuses columns that cannot find rows. */
export function createKeyType(columns: readonly Column[]): KeyType {
  columns.forEach(assertKeyColumn)
  const names = columns.map(({ name }) => name)
  const shared = { columns, names, text: keyText(names), label: keyLabel(names), ofCells }
  const ofValues = (values: KeyValues): EntityKey => ({
    columns,
    values,
    text: keyText(columns.map((column, i) => canonicalText(column, values[i] ?? null))),
  })

  function ofCells(cells: readonly Value[]): EntityKey | null | undefined {
    if (columns.some((_, i) => (cells[i] ?? null) === null)) return null
    const values = columns.map((column, i) => keyValueOfCell(column, cells[i] ?? null))
    return values.every((value) => value !== undefined) ? ofValues(values) : undefined
  }

  const [column] = columns
  if (column !== undefined && columns.length === 1)
    return {
      ...shared,
      parse: (text) => ofValues([parseIndexValue(column, text)]),
      isCanonical: canonicalTest(column),
      textOfRow(row, [place = 0]) {
        const cell = row[place] ?? null
        return cell === null ? null : canonicalText(column, cell)
      },
    }
  return {
    ...shared,
    parse(text) {
      const parts = parseKeyText(text)
      if (parts?.length !== columns.length) throw notOneOf(names, text)
      return ofValues(columns.map((each, i) => parseIndexValue(each, parts[i] ?? '')))
    },
    isCanonical: () => false,
    textOfRow(row, places) {
      const cells = places.map((place) => row[place] ?? null)
      return cells.includes(null)
        ? null
        : keyText(columns.map((each, i) => canonicalText(each, cells[i] ?? null)))
    },
  }
}

/** One text for texts that are a tuple: of one it is that one. */
export function keyText(parts: readonly string[]): string {
  const [only] = parts
  return only !== undefined && parts.length === 1 ? only : JSON.stringify(parts)
}

/** The texts of a JSON array, numbers and booleans as they are written; null for any other text. */
export function parseKeyText(text: string): readonly string[] | null {
  if (!/^\s*\[/.test(text)) return null
  try {
    const parts = JSON.parse(text, asWritten) as unknown[]
    return parts.every((part) => typeof part === 'string') ? parts : null
  } catch {
    return null
  }
}

function asWritten(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? (context?.source ?? String(value)) : value
}

export function keyLabel(names: readonly string[]): string {
  return names.join(', ')
}

function notOneOf(names: readonly string[], text: string): AppError {
  const quoted = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
  const form = JSON.stringify(names.map((name) => `<${name}>`))
  return new AppError(
    'BAD_USER_INPUT',
    `The index value ${quoted} does not fit the key ${keyLabel(names)}: it must be a JSON array with a value for each column, ${form}.`,
  )
}
