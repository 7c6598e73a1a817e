// SQL as text: quoting what goes into a statement, and finding places in one.

import { AppError } from '../errors.ts'

/** In characters. Parsing and planning take more than proportionally long: at six times as many, ten seconds. */
export const longestSql = 100_000

/** Throws TOO_LARGE. */
export function refuseLong(sql: string): void {
  if (sql.length <= longestSql) return
  const message = `The statement has ${sql.length} characters; at most ${longestSql} are taken. Put long lists into a table.`
  throw new AppError('TOO_LARGE', message, { details: { most: longestSql } })
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Words that no engine takes for a name unless they are quoted. */
const reserved = new Set(
  `all alter analyse analyze and any array as asc asymmetric between both by case cast check collate column constraint
  create cross cube current_catalog current_date current_path current_role current_schema current_time current_timestamp
  current_user deallocate default deferrable delete desc describe distinct do drop else end escape except execute exists
  extract false fetch for foreign from full grant group grouping having in initially inner insert intersect into is isnull
  join lateral leading left like limit listagg localtime localtimestamp natural normalize not notnull null offset on only or
  order outer pivot placing prepare primary qualify recursive references returning right rollup select session_user show
  similar skip some summarize symmetric table then to trailing trim true uescape union unique unnest unpivot user using
  values variadic when where window with`.split(/\s+/),
)

/** A name as a statement has to write it, with no more quotes than that takes. */
export function spellName(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !reserved.has(name) ? name : quoteName(name)
}

export function spellTable({ schema, name }: { schema: string; name: string }): string {
  return `${spellName(schema)}.${spellName(name)}`
}

/** By which the gateway knows a table, as its names are, with no quotes. */
export function qualifiedName({ schema, name }: { schema: string; name: string }): string {
  return `${schema}.${name}`
}

/** Two names are one to the engine when they differ in the case of ASCII letters only: \u212a is no k. */
export function nameInEngine(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A path for `read_parquet` and its kin, which would otherwise take `*`, `?` and `[` for patterns. */
export function escapePath(path: string): string {
  return path.replace(/[*?[]/g, '[$&]')
}

export function quotePath(path: string): string {
  return quoteText(escapePath(path))
}

export interface Place {
  /** From 1. */
  line: number
  /** From 1, in characters. */
  column: number
}

/** The place of a byte of the UTF-8 text: the engine counts in bytes. */
export function placeOf(sql: string, byteOffset: number): Place {
  return placeAfter(Buffer.from(sql).subarray(0, Math.max(0, byteOffset)).toString())
}

/** The place behind the text. */
export function placeAfter(before: string): Place {
  const lines = before.split('\n')
  return { line: lines.length, column: [...(lines.at(-1) ?? '')].length + 1 }
}

const token =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[\s\S]*?\$\1\$|;/g
const escapeText = /\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'/y

/** The statement with its semicolons turned to blanks, so that it fits into parentheses; every place stays what it was. */
export function blankSemicolons(sql: string): string {
  let blanked = ''
  let from = 0
  token.lastIndex = 0
  for (let match = token.exec(sql); match; match = token.exec(sql)) {
    if (match[0].startsWith("'") && match.index > 0) {
      escapeText.lastIndex = match.index - 1
      if (escapeText.test(sql)) token.lastIndex = escapeText.lastIndex
    }
    if (match[0] === ';') {
      blanked += `${sql.slice(from, match.index)} `
      from = match.index + 1
    }
  }
  return blanked + sql.slice(from)
}
