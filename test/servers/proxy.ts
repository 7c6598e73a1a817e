// A TCP proxy before a server, which can stop forwarding: connections stay and new ones are taken, but nothing passes.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export async function startProxy(port: number) {
  const sockets = new Set<Socket>()
  let isHanging = false
  let losing: { pattern: RegExp; lost: () => void } | null = null
  const proxy = createServer((client) => {
    const server = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from)
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('error', () => to.destroy())
      from.pipe(to)
      if (isHanging) from.pause()
    }
    client.on('data', (asked: Buffer) => {
      if (losing === null || !losing.pattern.test(asked.toString('latin1'))) return
      const { lost } = losing
      losing = null
      server.unpipe(client)
      server.once('data', () => {
        client.destroy()
        lost()
      })
      server.resume()
    })
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port')
  return {
    port: address.port,
    hang() {
      isHanging = true
      for (const socket of sockets) socket.pause()
    },
    goOn() {
      isHanging = false
      for (const socket of sockets) socket.resume()
    },
    /** Of what is next sent that matches, the server's answer is lost, and the connection with it; resolves when it is. */
    loseAnswerTo(pattern: RegExp): Promise<void> {
      return new Promise((lost) => {
        losing = { pattern, lost }
      })
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}
