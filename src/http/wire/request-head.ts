// A request's head, read strictly: what is written as every client writes it. Anything else is left to Node's parser.

import { type IncomingHttpHeaders, METHODS } from 'node:http'

export interface RequestHead {
  method: string
  target: string
  /** As Node names and joins them; no header stands twice. */
  headers: IncomingHttpHeaders
  /** Bytes that follow the head. */
  bodyBytes: number
  /** The client wants the connection closed after the answer. */
  isLast: boolean
}

const methods = METHODS.filter((method) => method !== 'CONNECT')
const requestLine = new RegExp(`^(${methods.join('|')}) (/[!-~]*) HTTP/1\\.1$`)
const headerLine = /^([\w!#$%&'*+.^`|~-]+):([\x20-\x7e\x80-\xff\t]*)$/
const beginOfHeaderLine = /^\r?$|^[\w!#$%&'*+.^`|~-]+(:[\x20-\x7e\x80-\xff\t]*\r?)?$/
const beginOfLength = /^[\w-]+(:[ \t]*\d{0,12}[ \t]*\r?)?$/
const length = /^\d{1,12}$/
const maxHeaders = 100

/** What decides where a request ends, or turns its connection into something else, in ways that are not read here. */
const leftToNode = new Set(['transfer-encoding', 'upgrade', 'expect', 'http2-settings', 'proxy-connection'])

/** `text`: latin1, with the empty line that ends it. Null for whatever could be read in more than one way. */
export function readHead(text: string): RequestHead | null {
  const lines = text.slice(0, -4).split('\r\n')
  if (lines.length > maxHeaders) return null
  const [, method, target] = requestLine.exec(lines[0] ?? '') ?? []
  if (method === undefined || target === undefined) return null
  const headers = readHeaders(lines.slice(1))
  if (headers === null) return null
  const { connection = 'keep-alive', host, 'content-length': bytes = '0' } = headers
  if (host === undefined || !/^(keep-alive|close)$/i.test(connection)) return null
  return { method, target, headers, bodyBytes: Number(bytes), isLast: connection.toLowerCase() === 'close' }
}

function readHeaders(lines: readonly string[]): IncomingHttpHeaders | null {
  const headers: IncomingHttpHeaders = Object.create(null)
  for (const line of lines) {
    const [, written, value] = headerLine.exec(line) ?? []
    const name = written?.toLowerCase()
    if (name === undefined || value === undefined || !mayFollow(name, headers)) return null
    headers[name] = trimmed(value)
    if (name === 'content-length' && !length.test(headers[name])) return null
  }
  return headers
}

function mayFollow(name: string, headers: IncomingHttpHeaders): boolean {
  return !(name in headers) && !leftToNode.has(name)
}

/** Whether a head that has come in part may still be one of those that are read here; Node is to object to others at once. */
export function mayBecomeHead(text: string): boolean {
  const lines = text.split('\r\n')
  const rest = lines.pop() ?? ''
  const [first, ...others] = lines
  if (first === undefined) return beginsRequestLine(rest)
  const [name = '', value] = rest.toLowerCase().split(':', 2)
  const begins = name === 'content-length' ? beginOfLength : beginOfHeaderLine
  if (!requestLine.test(first) || !begins.test(rest)) return false
  const headers = readHeaders(others)
  return headers !== null && (value === undefined || mayFollow(name, headers))
}

function beginsRequestLine(text: string): boolean {
  const [method = '', target = '/', version = 'HTTP/1.1\r', ...more] = text.split(' ')
  if (more.length > 0 || (version !== '' && target === '')) return false
  const isMethod = text.includes(' ')
    ? methods.includes(method)
    : methods.some((each) => each.startsWith(method))
  return isMethod && (target === '' || /^\/[!-~]*$/.test(target)) && 'HTTP/1.1\r'.startsWith(version)
}

/** Without the blanks that may stand around a value; others, a no-break space say, belong to it. */
function trimmed(value: string): string {
  let [start, end] = [0, value.length]
  while (start < end && isBlank(value, start)) start++
  while (end > start && isBlank(value, end - 1)) end--
  return value.slice(start, end)
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t'
}
