// A column's storage type, in DuckDB's words, taken apart: `DECIMAL(18,3)`, `STRUCT(a INTEGER, "b c" VARCHAR[])`.

export type Storage =
  | { kind: 'decimal'; precision: number; scale: number }
  | { kind: 'list'; item: Storage; length: number | null }
  | { kind: 'struct'; fields: readonly { name: string; storage: Storage }[] }
  | { kind: 'plain'; name: string }

/** What each type of whole numbers can hold; undefined for any other. */
export function integerRange(storage: string): readonly [min: bigint, max: bigint] | undefined {
  return integerRanges[storage]
}

const integerRanges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  TINYINT: [-(2n ** 7n), 2n ** 7n - 1n],
  SMALLINT: [-(2n ** 15n), 2n ** 15n - 1n],
  INTEGER: [-(2n ** 31n), 2n ** 31n - 1n],
  BIGINT: [-(2n ** 63n), 2n ** 63n - 1n],
  UTINYINT: [0n, 2n ** 8n - 1n],
  USMALLINT: [0n, 2n ** 16n - 1n],
  UINTEGER: [0n, 2n ** 32n - 1n],
  UBIGINT: [0n, 2n ** 64n - 1n],
}

/** A type it cannot take apart is plain, under its whole text. */
export function parseStorage(text: string): Storage {
  const type = text.trim()
  const [, listItem, length = ''] = /^(.+)\[(\d*)\]$/s.exec(type) ?? []
  if (listItem !== undefined)
    return { kind: 'list', item: parseStorage(listItem), length: length === '' ? null : Number(length) }
  const decimal = /^(?:DECIMAL|NUMERIC)\(\s*(\d+)\s*,\s*(\d+)\s*\)$/i.exec(type)
  if (decimal) return { kind: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) }
  const members = /^STRUCT\((.*)\)$/is.exec(type)?.[1]
  if (members !== undefined) return { kind: 'struct', fields: splitMembers(members).map(parseMember) }
  return { kind: 'plain', name: type.toUpperCase() }
}

/** Splits at the commas that stand outside brackets and quotes. */
function splitMembers(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let quoteMark = ''
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i)
    if (quoteMark !== '') {
      if (character === quoteMark) quoteMark = ''
    } else if (character === '"' || character === "'") quoteMark = character
    else if (character === '(') depth += 1
    else if (character === ')') depth -= 1
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

function parseMember(text: string): { name: string; storage: Storage } {
  const member = text.trim()
  const quoted = /^"((?:[^"]|"")*)"\s+(.*)$/s.exec(member)
  if (quoted) return { name: (quoted[1] ?? '').replaceAll('""', '"'), storage: parseStorage(quoted[2] ?? '') }
  const blank = member.search(/\s/)
  return { name: member.slice(0, blank), storage: parseStorage(member.slice(blank + 1)) }
}
