// How a client reached the gateway: the beginning of every URL that an answer holds.

import type { IncomingMessage } from 'node:http'

const hostAndPort = /^[\w.-]+(:\d+)?$|^\[[\da-fA-F:.]+\](:\d+)?$/

/** `http://host:port` by the request's own words; forwarded ones count only behind a trusted proxy. */
export function originOf(request: IncomingMessage, { trustProxy }: { trustProxy: boolean }): string {
  const encrypted = 'encrypted' in request.socket
  const protocol = trustProxy ? first(request.headers['x-forwarded-proto']) : null
  const host = (trustProxy ? first(request.headers['x-forwarded-host']) : null) ?? request.headers.host ?? ''
  return `${protocol === 'https' || (protocol === null && encrypted) ? 'https' : 'http'}://${
    hostAndPort.test(host) ? host : localAddress(request)
  }`
}

/** A proxy appends to what it received: the first is what the client asked for. */
function first(header: string | string[] | undefined): string | null {
  const text = (Array.isArray(header) ? header[0] : header)?.split(',')[0]?.trim()
  return text === undefined || text === '' ? null : text
}

function localAddress({ socket }: IncomingMessage): string {
  const address = socket.localAddress ?? 'localhost'
  return `${address.includes(':') ? `[${address}]` : address}:${socket.localPort}`
}
