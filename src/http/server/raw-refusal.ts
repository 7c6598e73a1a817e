// An answer to a connection that no HTTP server has, or none has any more; the connection ends with it.

import type { Duplex } from 'node:stream'
import type { AppError } from '../../errors.ts'

export function refuseRaw(connection: Duplex, status: string, why?: AppError) {
  const seconds = why?.details?.retryAfterSeconds
  const retryAfter = seconds === undefined ? '' : `Retry-After: ${seconds}\r\n`
  const text = why?.message ?? ''
  connection.end(
    `HTTP/1.1 ${status}\r\n${retryAfter}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
}
