// The words of a statement that stand outside its texts, quoted names and comments: by the engine's rules for tokens,
// a reserved word among them is the keyword and nothing else.

const token =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\r\n]*|\/\*[\s\S]*?\*\/|(?<word>[A-Za-z_][\w@:]*)|(?<other>[^\s\w])/g

function tokensOf(sql: string): string[] {
  const tokens: string[] = []
  for (const { groups } of sql.matchAll(token)) {
    const found = groups?.word?.toLowerCase() ?? groups?.other
    if (found !== undefined) tokens.push(found)
  }
  return tokens
}

const clocks = new Set(['current_date', 'current_time', 'current_timestamp', 'localtime', 'localtimestamp'])
const limits = new Set(['limit', 'fetch', 'offset'])
const settings = new Set([
  'current_catalog',
  'current_path',
  'current_role',
  'current_schema',
  'current_user',
])

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
  const tokens = tokensOf(sql)
  return {
    clock: tokens.find((word) => clocks.has(word)) ?? null,
    setting: tokens.find((word) => settings.has(word)) ?? null,
    hasTableFunction: tokens.some((word, i) => word === 'table' && tokens[i + 1] === '('),
    hasSample: tokens.some(
      (word, i) => word === 'tablesample' && ['bernoulli', 'system'].includes(tokens[i + 1] ?? ''),
    ),
    mayHaveLimit: tokens.some((word) => limits.has(word)),
  }
}
