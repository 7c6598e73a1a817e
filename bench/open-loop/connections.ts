// HTTP connections that stay open, each with one request at a time: a thin client, so that the load generator's own time stays out of what it measures.

import { once } from 'node:events'
import { connect } from 'node:net'

export interface Connections {
  /** On the connection that has been free for longest, or on the next that comes free; `answered` is called when the answer is whole. */
  send(request: Buffer, answered: () => void): void
  /** Rejects by an answer that is not 200, or the end of a connection. */
  failed: Promise<never>
  close(): void
}

interface Connection {
  send(request: Buffer, answered: () => void): void
  close(): void
}

export function requestBytes(url: string, body: string): Buffer {
  const { host, pathname } = new URL(url)
  const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`
  return Buffer.from(`${head}\r\n\r\n${body}`)
}

export async function openConnections(url: string, count: number): Promise<Connections> {
  const { hostname, port } = new URL(url)
  const { promise: failed, reject } = Promise.withResolvers<never>()
  failed.catch(() => undefined)
  const all = await Promise.all(
    Array.from({ length: count }, () => openConnection(hostname, Number(port), reject)),
  )
  const free = [...all]
  const waiting: { request: Buffer; answered: () => void }[] = []

  function use(connection: Connection, request: Buffer, answered: () => void) {
    connection.send(request, () => {
      const next = waiting.shift()
      if (next === undefined) free.push(connection)
      else use(connection, next.request, next.answered)
      answered()
    })
  }

  return {
    send(request, answered) {
      const connection = free.shift()
      if (connection === undefined) waiting.push({ request, answered })
      else use(connection, request, answered)
    },
    failed,
    close() {
      for (const connection of all) connection.close()
    },
  }
}

async function openConnection(host: string, port: number, fail: (error: Error) => void): Promise<Connection> {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  let answered: (() => void) | null = null
  let head = ''
  /** Of the answer's body; null while its head is yet to come whole. */
  let left: number | null = null

  function read(piece: Buffer) {
    if (left !== null) left -= piece.length
    else {
      const before = head.length
      head += piece.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!head.startsWith('HTTP/1.1 200 ')) return fail(new Error(`The server answered ${head}`))
      const length = /^content-length: (\d+)/im.exec(head.slice(0, end))?.[1]
      if (length === undefined) return fail(new Error(`An answer came without its length: ${head}`))
      left = Number(length) - (piece.length - (end + 4 - before))
    }
    if (left > 0) return
    const tell = answered
    ;[answered, head, left] = [null, '', null]
    tell?.()
  }

  socket.on('data', read)
  socket.on('error', fail)
  socket.once('close', () => fail(new Error('The server closed a connection')))
  return {
    send(request, onAnswer) {
      answered = onAnswer
      socket.write(request)
    },
    close: () => socket.destroy(),
  }
}
