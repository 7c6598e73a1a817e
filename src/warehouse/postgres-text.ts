// The text of a statement: its semicolons blanked, and names quoted.

import { quoteName } from '../parquet/sql-text.ts'

const token =
  /(?<escaped>\b[eE]'(?:[^'\\]|\\[\s\S]|'')*')|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|(?<comment>\/\*)|\$(?<tag>[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[\s\S]*?\$\k<tag>\$|;/g

/** The statement with its semicolons turned to blanks, so that it fits into parentheses; every place stays what it was. */
export function blankSemicolons(sql: string): string {
  let blanked = ''
  let from = 0
  token.lastIndex = 0
  for (let match = token.exec(sql); match; match = token.exec(sql)) {
    if (match.groups?.comment !== undefined) token.lastIndex = endOfComment(sql, match.index)
    else if (match[0] === ';') {
      blanked += `${sql.slice(from, match.index)} `
      from = match.index + 1
    }
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
