// Memory of bytes that have passed through, given back at once.

/** From here on it is worth the call. */
const leastBytes = 4096

/**
 * For a buffer that nobody looks at any more. The engine counts what lies in such buffers as taken until it collects them,
 * and for every 32 MB of it looks through the whole heap: with a gateway's that is a third of a second of work.
 */
export function freeBuffer({ buffer, byteLength }: Buffer): void {
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength
  if (isWhole && byteLength >= leastBytes && !buffer.detached) buffer.transfer(0)
}
