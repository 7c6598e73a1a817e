// Where a reply of the Redis protocol (RESP2 and 3) ends, without reading what it says.

const code = (character: string) => character.charCodeAt(0)
const [carriageReturn, minus, zero] = [code('\r'), code('-'), code('0')]
const blobs = new Set([...'$=!'].map(code))
const lists = new Set([...'*~>'].map(code))
const map = code('%')

export const frame = { blob: code('$'), array: code('*') } as const

/** The number of a line that begins at `at`, 0 if there is none, and where the next line begins; null while the line is not whole. */
export function lineAt(bytes: Buffer, at: number): { number: number; next: number } | null {
  let number = 0
  let sign = 1
  for (let i = at; i + 1 < bytes.length; i++) {
    const byte = bytes[i] ?? 0
    if (byte === carriageReturn) return { number: sign * number, next: i + 2 }
    if (byte === minus) sign = -1
    else number = number * 10 + byte - zero
  }
  return null
}

/** Where the reply that begins at `at` ends; null while it is not whole. */
export function endOfReply(bytes: Buffer, at: number): number | null {
  let end = at
  for (let left = 1; left > 0; left--) {
    const type = bytes[end]
    const line = lineAt(bytes, end + 1)
    if (type === undefined || line === null) return null
    const { number, next } = line
    end = next
    if (blobs.has(type)) end += number < 0 ? 0 : number + 2
    else if (lists.has(type)) left += Math.max(0, number)
    else if (type === map) left += 2 * Math.max(0, number)
    if (end > bytes.length) return null
  }
  return end
}
