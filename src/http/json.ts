// JSON as clients send it, with no integer rounded on the way in.

/** Only text with a number this long can hold an integer that is not exact as a JavaScript number. */
const longNumber = /\d{16}/
const integer = /^-?\d+$/

/**
 * Like JSON.parse, but an integer beyond ±2^53 becomes the string of its digits, as the gateway itself writes such
 * integers. Throws SyntaxError.
 */
export function parseJson(text: string): unknown {
  if (!longNumber.test(text)) return JSON.parse(text)
  return JSON.parse(text, exactly)
}

/** The reviver that does so, for parsers that take one. */
export function exactly(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  return context?.source !== undefined && integer.test(context.source) ? context.source : value
}
