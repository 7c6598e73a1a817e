// Trino's names of types, read into trees: `map(varchar(3), array(row(a bigint, "b c" decimal(4, 2))))`.

export interface TrinoType {
  /** In small letters, without parameters: `timestamp with time zone`. */
  name: string
  numbers: readonly number[]
  /** Of an array, a map or a row. */
  parts: readonly { name: string | null; type: TrinoType }[]
}

const token = /\s*("(?:[^"]|"")*"|[A-Za-z_@$][\w@$.:-]*|\d+|[(),])/y
/** Names of several words, of which the parameters stand within: `timestamp(3) with time zone`. */
const endings: ReadonlyMap<string, readonly string[]> = new Map([
  ['time', ['with time zone', 'without time zone']],
  ['timestamp', ['with time zone', 'without time zone']],
  ['interval', ['day to second', 'year to month']],
  ['double', ['precision']],
])

export function parseTrinoType(text: string): TrinoType {
  const tokens = tokenize(text)
  const reader = createReader(tokens)
  const type = reader.readType()
  if (!reader.isAtEnd()) throw new Error(`The type ${text} is not understood`)
  return type
}

function tokenize(text: string): string[] {
  const tokens: string[] = []
  token.lastIndex = 0
  while (token.lastIndex < text.trimEnd().length) {
    const match = token.exec(text)
    if (match?.[1] === undefined) throw new Error(`The type ${text} is not understood`)
    tokens.push(match[1])
  }
  return tokens
}

function createReader(tokens: readonly string[]) {
  let at = 0

  function take(expected: string): boolean {
    if (tokens[at]?.toLowerCase() !== expected) return false
    at += 1
    return true
  }

  function takeWords(words: string): boolean {
    const start = at
    if (words.split(' ').every(take)) return true
    at = start
    return false
  }

  function readType(): TrinoType {
    let name = unquote(tokens[at] ?? '').toLowerCase()
    at += 1
    const numbers: number[] = []
    const parts: { name: string | null; type: TrinoType }[] = []
    if (take('(')) {
      while (!take(')')) {
        if (at >= tokens.length) throw new Error('A type does not end')
        if (/^\d+$/.test(tokens[at] ?? '')) numbers.push(Number(tokens[at++]))
        else parts.push(name === 'row' ? readField() : { name: null, type: readType() })
        take(',')
      }
    }
    const ending = endings.get(name)?.find(takeWords)
    if (ending !== undefined && !ending.startsWith('without')) name = `${name} ${ending}`
    return { name, numbers, parts }
  }

  /** `bigint` or `a bigint`: a type that is not the whole of the field was its name. */
  function readField(): { name: string | null; type: TrinoType } {
    const start = at
    const isQuoted = tokens[at]?.startsWith('"') ?? false
    if (!isQuoted) {
      const type = readType()
      if (tokens[at] === ',' || tokens[at] === ')') return { name: null, type }
    }
    at = start + 1
    return { name: unquote(tokens[start] ?? ''), type: readType() }
  }

  return { readType, isAtEnd: () => at === tokens.length }
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text
}
