// A balancer before Trino that ends TLS, and refuses the first few requests as one that is overburdened does.

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { buffer } from 'node:stream/consumers'
import type { Certificates } from '../servers/certificates.ts'

export async function startFront(port: number, refusals: number, { certificate, key }: Certificates) {
  let left = refusals
  const options = { cert: await readFile(certificate), key: await readFile(key) }
  const front = createServer(options, async (request, response) => {
    const body = await buffer(request)
    if (left > 0) {
      left -= 1
      response.writeHead(503).end()
      return
    }
    const answer = await fetch(`http://127.0.0.1:${port}${request.url}`, {
      method: request.method ?? 'GET',
      headers: {
        ...Object.fromEntries(
          Object.entries(request.headers).filter(([name]) => name.startsWith('x-trino')) as [
            string,
            string,
          ][],
        ),
        'x-forwarded-proto': 'https',
        'x-forwarded-host': String(request.headers.host),
      },
      ...(request.method === 'POST' && { body }),
    })
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(Buffer.from(await answer.arrayBuffer()))
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  const address = front.address()
  if (address === null || typeof address === 'string') throw new Error('The balancer has no port')
  return {
    port: address.port,
    refusalsLeft: () => left,
    async stop() {
      front.closeAllConnections()
      front.close()
      await once(front, 'close')
    },
  }
}
