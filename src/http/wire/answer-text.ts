// An answer as it goes over the wire, with the headers that Node gives to each.

import { STATUS_CODES } from 'node:http'
import type { HotPathAnswer } from '../hot-path/router.ts'

let second = 0
let date = ''

/** One character for each byte. */
export function writeAnswer(
  answer: HotPathAnswer,
  { keepAliveSeconds }: { keepAliveSeconds: number | null },
): string {
  const { status, contentType, text, headers, id } = answer
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`
  head += `x-request-id: ${id}\r\nx-content-type-options: nosniff\r\ncontent-type: ${contentType}\r\ncontent-length: ${text.length}\r\nDate: ${now()}\r\n`
  head +=
    keepAliveSeconds === null
      ? 'Connection: close\r\n\r\n'
      : `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveSeconds}\r\n\r\n`
  return head + text
}

function now(): string {
  const current = Math.floor(Date.now() / 1000)
  if (current !== second) {
    second = current
    date = new Date(current * 1000).toUTCString()
  }
  return date
}
