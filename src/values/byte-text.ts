// UTF-8 kept as a string of one character for each byte: rows go from the store to the socket without being decoded.

declare const brand: unique symbol

/** What is ASCII reads as it is; everything else has to pass `toText` before it is looked at. */
export type ByteText = string & { readonly [brand]: 'one character for each byte of UTF-8' }

export function toByteText(text: string): ByteText {
  // As many bytes as units: all of it is ASCII, the same in both forms.
  return (Buffer.byteLength(text) === text.length ? text : Buffer.from(text).toString('latin1')) as ByteText
}

export function toText(bytes: ByteText): string {
  return Buffer.byteLength(bytes) === bytes.length ? bytes : Buffer.from(bytes, 'latin1').toString()
}

/** The bytes of a buffer from `start` to `end`, copied. */
export function byteTextOf(bytes: Buffer, start = 0, end = bytes.length): ByteText {
  return bytes.toString('latin1', start, end) as ByteText
}
