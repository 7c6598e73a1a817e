// The words of a statement that stand outside its texts, quoted names and comments: by the engine's rules for tokens,
// a reserved word among them is the keyword and nothing else.

import { clockWords, limitWords, settingWords } from './functions.ts'

const token =
  /(?<text>'(?:[^']|'')*')|(?<quoted>"(?:[^"]|"")*")|--[^\r\n]*|\/\*[\s\S]*?\*\/|(?<word>[A-Za-z_][\w@:]*)|(?<other>[^\s\w])/g

export interface Token {
  /** As it is written. */
  text: string
  /** Of a word or of another sign, in small letters; null of texts and of quoted names. */
  word: string | null
  /** The name that it may be, in small letters, as which the engine takes quoted ones too. */
  name: string | null
  from: number
  to: number
}

/** Without comments. */
export function tokensOf(sql: string): Token[] {
  const tokens: Token[] = []
  for (const { 0: text, index: from, groups = {} } of sql.matchAll(token)) {
    const { text: literal, quoted, word, other } = groups
    if ((literal ?? quoted ?? word ?? other) === undefined) continue
    const name = quoted === undefined ? (word ?? null) : quoted.slice(1, -1).replaceAll('""', '"')
    tokens.push({
      text,
      word: word?.toLowerCase() ?? other ?? null,
      name: name?.toLowerCase() ?? null,
      from,
      to: from + text.length,
    })
  }
  return tokens
}

export interface ReservedWords {
  /** What tells the time. */
  clock: string | null
  /** What tells of the session. */
  setting: string | null
  /** `TABLE(…)`: what it reads the engine does not list. */
  hasTableFunction: boolean
  hasSample: boolean
  /** Of words that are not reserved: a column may bear the name. */
  mayHaveLimit: boolean
}

export function findReservedWords(sql: string): ReservedWords {
  const tokens = tokensOf(sql).flatMap(({ word }) => word ?? [])
  return {
    clock: tokens.find((word) => clockWords.has(word)) ?? null,
    setting: tokens.find((word) => settingWords.has(word)) ?? null,
    hasTableFunction: tokens.some((word, i) => word === 'table' && tokens[i + 1] === '('),
    hasSample: tokens.some(
      (word, i) => word === 'tablesample' && ['bernoulli', 'system'].includes(tokens[i + 1] ?? ''),
    ),
    mayHaveLimit: tokens.some((word) => limitWords.has(word)),
  }
}
