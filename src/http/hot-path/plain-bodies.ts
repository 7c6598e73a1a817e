// What of a JSON body is plain: it means the same to the hot path, which parses it as it is, as to a route's schema.

/** No catalog keeps the character NUL. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/** No integer that was rounded as it was parsed. */
export function isPlainNumber(value: number): boolean {
  return Number.isSafeInteger(value) || !Number.isInteger(value)
}
