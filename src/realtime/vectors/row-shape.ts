// Rows that are alike, read by one regular expression: the same columns in the same order, each with a value of an expected form.

import type { ByteText } from '../../values/byte-text.ts'

export interface RowShape {
  /** What the parts capture of the row at `at`, from 1 on; null where it is not alike. */
  match(rows: ByteText, at: number): readonly string[] | null
  /** Where the row ends that was matched. */
  end(): number
}

/** JSON's, as the source of a regular expression. */
export const anyText = '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"'
/** Any value but a list or an object. */
export const anyScalar = `(?:${anyText}|[^"\\[\\]{},]+)`

/** An expression keeps its place at every escape of a text, to go back there. */
export const maxMatched = 1024 * 1024

/** Of a row's columns, label and value, as sources of regular expressions. */
export function createRowShape(parts: readonly string[]): RowShape {
  const row = new RegExp(`\\{${parts.join(',')}\\}`, 'y')
  return {
    match(rows, at) {
      if (rows.length > maxMatched) return null
      row.lastIndex = at
      return row.exec(rows)
    },
    end: () => row.lastIndex,
  }
}

/** The shape of the rows that came last, made anew as they change. */
export interface LatestShape<Shape> {
  readonly current: Shape | null
  /** To be called with the labels of a row that did not match: the same array for rows that are alike. */
  note(labels: readonly string[]): void
}

/** Rows of ever other columns are not worth it. */
const maxShapes = 4

export function createLatestShape<Shape>(make: (labels: readonly string[]) => Shape): LatestShape<Shape> {
  let current: Shape | null = null
  let before: readonly string[] = []
  let made = 0
  return {
    get current() {
      return current
    },
    note(labels) {
      if (labels === before || labels.length === 0 || made >= maxShapes) return
      made++
      before = labels
      current = make(labels)
    },
  }
}
