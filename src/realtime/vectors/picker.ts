// Features out of a row's JSON text, copied from it as they stand: of all that it holds nothing is parsed.

import { type ByteText, toByteText } from '../../values/byte-text.ts'
import { anyScalar, createLatestShape, createRowShape } from './row-shape.ts'

export interface Picker {
  /** The members of a JSON object, without its braces, of an array's one row; null where it has more rows than one. */
  pick(rows: ByteText): ByteText | null
  /** The members where there is no row. */
  nothing: ByteText
}

/** A column of the rows, and where in the answer it goes; -1 where it is not asked for. */
interface Place {
  /** As a row's text has it: `"rate":` */
  label: string
  feature: number
}

const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openBracket = 0x5b
const openBrace = 0x7b
const closeBracket = 0x5d
const closeBrace = 0x7d

export interface RowSurvey {
  /** Notes where the columns of the object at `at` stand, and answers with its end. */
  read(rows: ByteText, at: number): number
  /** Of each column from its label's start to its value's end; -1 where the object lacks it. */
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** As a row's text has it: `"rate":`, with the value behind it. */
  readonly labels: readonly ByteText[]
  /** All labels of the row that was read last, in their order; the same array for rows that are alike. */
  lastLabels(): readonly string[]
}

export function createRowSurvey(columns: readonly string[]): RowSurvey {
  const labels = columns.map(labelOf)
  /** What the row before had, in its order: the rows of a view nearly always are alike. */
  let places: Place[] = []
  let alike: readonly string[] = []
  let fields = 0
  const starts = new Int32Array(columns.length)
  const ends = new Int32Array(columns.length)

  /** Where the value begins whose label is at `at`; its place is the `nth` then. */
  function readLabel(rows: ByteText, at: number, nth: number): number {
    const known = places[nth]
    if (known !== undefined && rows.startsWith(known.label, at)) return at + known.label.length
    const end = endOfString(rows, at) + 1
    const label = rows.slice(at, end)
    alike = []
    places = [...places.slice(0, nth), { label, feature: labels.indexOf(label as ByteText) }]
    return end
  }

  return {
    starts,
    ends,
    labels,
    lastLabels() {
      if (alike.length !== fields) alike = places.slice(0, fields).map(({ label }) => label)
      return alike
    },
    read(rows, at) {
      starts.fill(-1)
      fields = 0
      let position = at + 1
      if (rows.charCodeAt(position) === closeBrace) return position + 1
      for (let nth = 0; ; nth++) {
        const start = position
        const value = readLabel(rows, start, nth)
        position = endOfValue(rows, value)
        const feature = places[nth]?.feature ?? -1
        if (feature >= 0) {
          starts[feature] = start
          ends[feature] = position
        }
        fields++
        if (rows.charCodeAt(position) !== comma) return position + 1
        position++
      }
    },
  }
}

export function createPicker(features: readonly { column: string; name: string }[]): Picker {
  const heads = features.map(({ name }) => labelOf(name))
  const isRenamed = features.map(({ column, name }) => column !== name)
  const nothing = toByteText(features.map(({ name }) => `${JSON.stringify(name)}:null`).join())
  const survey = createRowSurvey(features.map(({ column }) => column))
  const { starts, ends, labels } = survey

  /** Neighbours that keep their names are one slice. */
  function copy(rows: ByteText): ByteText {
    let text = ''
    for (let i = 0; i < features.length; i++) {
      const start = starts[i] ?? -1
      let end = ends[i] ?? 0
      if (i > 0) text += ','
      const head = heads[i] ?? ''
      if (start < 0) text += `${head}null`
      else if (isRenamed[i]) text += head + rows.slice(start + (labels[i]?.length ?? 0), end)
      else {
        while (i + 1 < features.length && starts[i + 1] === end + 1 && !isRenamed[i + 1])
          end = ends[++i] ?? end
        text += rows.slice(start, end)
      }
    }
    return text as ByteText
  }

  const latest = createLatestShape((found) => shapeOf(features, labels, found))

  return {
    nothing,
    pick(rows) {
      if (rows.charCodeAt(1) !== openBrace) return nothing
      const shape = latest.current
      const values = shape?.match(rows, 1) ?? null
      if (shape === null || values === null) {
        const end = survey.read(rows, 1)
        latest.note(survey.lastLabels())
        return rows.charCodeAt(end) === comma ? null : copy(rows)
      }
      if (rows.charCodeAt(shape.end()) === comma) return null
      let text = ''
      for (const { before, place } of shape.pieces) text += place === 0 ? before : before + values[place]
      return text as ByteText
    },
  }
}

/** A text, and what is captured behind it; 0 for nothing. */
interface Piece {
  before: string
  place: number
}

/** Of rows with these labels; neighbours that keep their names are one piece. */
function shapeOf(
  features: readonly { column: string; name: string }[],
  labels: readonly string[],
  found: readonly string[],
) {
  const columns = labels.map((label) => found.indexOf(label))
  const keepsName = features.map(({ column, name }, i) => column === name && (columns[i] ?? -1) >= 0)
  /** From the first of its columns to the last; of a feature with another name the value alone. */
  const captured: { from: number; to: number; isValue: boolean; piece: Piece }[] = []
  const pieces: Piece[] = []
  for (let i = 0; i < features.length; i++) {
    const from = columns[i] ?? -1
    let to = from
    const isValue = !keepsName[i]
    const head = isValue ? labelOf(features[i]?.name ?? '') : ''
    const piece = { before: `${i === 0 ? '' : ','}${head}${from < 0 ? 'null' : ''}`, place: 0 }
    pieces.push(piece)
    if (from < 0) continue
    while (!isValue && keepsName[i + 1] && columns[i + 1] === to + 1) {
      to++
      i++
    }
    captured.push({ from, to, isValue, piece })
  }
  captured.sort((a, b) => a.from - b.from)
  for (const [i, { piece }] of captured.entries()) piece.place = i + 1
  const parts = found.map((label, column) => {
    const own = captured.find(({ from, to }) => from <= column && column <= to)
    const text = RegExp.escape(label)
    if (own === undefined) return text + anyScalar
    if (own.isValue) return `${text}(${anyScalar})`
    return `${column === own.from ? '(' : ''}${text}${anyScalar}${column === own.to ? ')' : ''}`
  })
  return { ...createRowShape(parts), pieces }
}

function labelOf(name: string): ByteText {
  return toByteText(`${JSON.stringify(name)}:`)
}

/** Behind the closing quote of the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((end - before) % 2 === 1) return end + 1
  }
}

function endOfValue(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first === quote) return endOfString(text, at)
  if (first === openBrace || first === openBracket) return endOfNested(text, at)
  let end = at + 1
  for (let code = text.charCodeAt(end); code !== comma && code !== closeBrace; code = text.charCodeAt(++end));
  return end
}

function endOfNested(text: string, at: number): number {
  let depth = 0
  let position = at
  for (;;) {
    const code = text.charCodeAt(position)
    if (code === quote) {
      position = endOfString(text, position)
      continue
    }
    if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) depth--
    position++
    if (depth === 0) return position
  }
}
