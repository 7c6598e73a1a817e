// The text of a statement as the server's scanner reads it: its texts, its semicolons, and names quoted.

import { asOf, type Call, callAt } from '../../sql/as-of.ts'
import { quoteName } from '../../sql/sql-text.ts'

/** A text of the statement, written in whichever way: its value, and where it stands from quote to quote. */
export interface WrittenText {
  value: string
  from: number
  to: number
}

/** A name of the statement, quoted or not. */
interface WrittenName {
  name: string
  from: number
  to: number
}

const token =
  /(?<escaped>[eE]')|(?<coded>[uU]&')|[bBxX]'[^']*'|(?<plain>')|(?<quoted>"(?:[^"]|"")*")|--[^\n\r]*|(?<comment>\/\*)|\$(?<tag>[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$(?<body>[\s\S]*?)\$\k<tag>\$|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?<semicolon>;)/g
const plainText = continued("'((?:[^']|'')*)'")
const escapedText = continued("'((?:[^'\\\\]|\\\\[\\s\\S]|'')*)'")
const escapeSign = /(?:\s|--[^\n\r]*[\n\r])*UESCAPE(?:\s|--[^\n\r]*[\n\r])*'(.)'/iy

/** A text goes on after a newline, whatever comments stand before and after that. */
function continued(quoted: string) {
  const gap = '[ \\t\\f\\v]*(?:--[^\\n\\r]*)?[\\n\\r](?:[ \\t\\n\\r\\f\\v]|--[^\\n\\r]*[\\n\\r])*'
  return { first: new RegExp(quoted, 'y'), next: new RegExp(`${gap}${quoted}`, 'y') }
}

/** The texts, the names, and the places of the semicolons, in their order. */
function* scan(sql: string): Generator<WrittenText | WrittenName | number> {
  token.lastIndex = 0
  for (let match = token.exec(sql); match; match = token.exec(sql)) {
    const { escaped, coded, plain, quoted, comment, body, word, semicolon } = match.groups ?? {}
    const { index: from } = match
    let to = token.lastIndex
    if (semicolon !== undefined) yield from
    else if (word !== undefined) yield { name: word.toLowerCase(), from, to }
    else if (quoted !== undefined) yield { name: quoted.slice(1, -1).replaceAll('""', '"'), from, to }
    else if (comment !== undefined) to = endOfComment(sql, from)
    else if (body !== undefined) yield { value: body, from, to }
    else if (escaped !== undefined || coded !== undefined || plain !== undefined) {
      const text = readText(sql, to - 1, escaped === undefined ? plainText : escapedText)
      to = text.to
      if (coded !== undefined) escapeSign.lastIndex = to
      const sign = coded === undefined ? null : escapeSign.exec(sql)
      if (sign !== null) to = escapeSign.lastIndex
      if (escaped !== undefined) yield { value: readEscapes(text.raw), from, to }
      else {
        const value = text.raw.replaceAll("''", "'")
        yield { value: coded === undefined ? value : readCodes(value, sign?.[1] ?? '\\'), from, to }
      }
    }
    token.lastIndex = to
  }
}

/** From its first quote on. */
function readText(sql: string, from: number, { first, next }: ReturnType<typeof continued>) {
  let raw = ''
  let to = from + 1
  first.lastIndex = from
  for (let found = first.exec(sql); found !== null; found = next.exec(sql)) {
    raw += found[1] ?? ''
    to = found.index + found[0].length
    next.lastIndex = to
  }
  return { raw, to }
}

const controls: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

function readEscapes(raw: string): string {
  const escaped =
    /''|(?:\\(?:x[\da-fA-F]{1,2}|[0-7]{1,3}))+|\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g
  return raw.replace(escaped, (found, short?: string, long?: string, other?: string) => {
    if (found === "''") return "'"
    if (other !== undefined) return controls[other] ?? other
    const code = short ?? long
    if (code !== undefined) return characterOf(code)
    const bytes = [...found.matchAll(/\\(?:x([\da-fA-F]+)|([0-7]+))/g)]
    return Buffer.from(
      bytes.map(([, hex, octal]) => Number.parseInt(hex ?? octal ?? '', hex ? 16 : 8)),
    ).toString()
  })
}

/** `\0061` and `\+000061`, with another sign for the backslash where UESCAPE says so. */
function readCodes(raw: string, sign: string): string {
  const quoted = sign.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&')
  const coded = new RegExp(`${quoted}(?:(${quoted})|([\\da-fA-F]{4})|\\+([\\da-fA-F]{6}))`, 'g')
  return raw.replace(coded, (_, itself?: string, short?: string, long?: string) =>
    itself !== undefined ? sign : characterOf(short ?? long ?? ''),
  )
}

/** Halves of a pair of surrogates come together in the text. */
function characterOf(hex: string): string {
  const code = Number.parseInt(hex, 16)
  return code > 0x10_ffff ? '\ufffd' : String.fromCodePoint(code)
}

export function writtenTexts(sql: string): WrittenText[] {
  return [...scan(sql)].filter((found) => typeof found !== 'number' && 'value' in found)
}

/** Where as_of() may be called: the server knows whether it is. */
export function writtenCalls(sql: string): Call[] {
  return [...scan(sql)].flatMap((found) => {
    if (typeof found === 'number' || !('name' in found) || found.name !== asOf) return []
    const isOfSchema = /\.\s*$/.test(sql.slice(0, found.from))
    return isOfSchema ? [] : (callAt(sql, found) ?? [])
  })
}

/** The statement with its semicolons turned to blanks, so that it fits into parentheses; every place stays what it was. */
export function blankSemicolons(sql: string): string {
  let blanked = ''
  let from = 0
  for (const found of scan(sql)) {
    if (typeof found !== 'number') continue
    blanked += `${sql.slice(from, found)} `
    from = found + 1
  }
  return blanked + sql.slice(from)
}

/** Comments nest. */
function endOfComment(sql: string, start: number): number {
  const mark = /\/\*|\*\//g
  mark.lastIndex = start
  let depth = 0
  for (let match = mark.exec(sql); match; match = mark.exec(sql)) {
    depth += match[0] === '/*' ? 1 : -1
    if (depth === 0) return mark.lastIndex
  }
  return sql.length
}

export function qualifiedName(schema: string, name: string): string {
  return `${quoteName(schema)}.${quoteName(name)}`
}

/** How many characters stand before the first one of the user's text, as the server counts. */
export function lengthInCharacters(text: string): number {
  return [...text].length
}
