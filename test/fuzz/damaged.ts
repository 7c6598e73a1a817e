// Texts with one piece missing, doubled, or replaced by what starts, ends or hides something.

import fc from 'fast-check'

/** Cuts a piece out, doubles it, or puts another in its place. */
export function damaged(text: fc.Arbitrary<string>, pieces: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.nat(), fc.nat(20), fc.constantFrom('', 'double', ...pieces))
    .map(([whole, at, length, instead]) => {
      const start = at % (whole.length + 1)
      const piece = whole.slice(start, start + length)
      return (
        whole.slice(0, start) + (instead === 'double' ? piece + piece : instead) + whole.slice(start + length)
      )
    })
}
