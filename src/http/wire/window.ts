// How many lookups of one connection are under way at once: more as its answers turn out small, one where they do not.

/** Answers beneath are small: as many of them as there may be take a few megabytes. */
export const smallAnswer = 64 * 1024
const most = 64

export interface Window {
  most(): number
  /** `bytes`: an answer's. */
  answered(bytes: number): void
}

/** A client that sends lookups ahead of their answers is to cost what one costs that waits for each, nearly. */
export function createWindow(): Window {
  let size = 1
  return {
    most: () => size,
    answered(bytes) {
      size = bytes > smallAnswer ? 1 : Math.min(size + 1, most)
    },
  }
}
