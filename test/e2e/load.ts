// Lookups over connections that are kept open, and how each of them ended.

import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Load {
  /** Answers with status 200. */
  answered(): number
  /** What came instead of status 200 on a connection that the gateway had taken. */
  failures: readonly string[]
  /** Whether the latest answer on each connection asked to close it. */
  askedToLeave(): boolean
  /** Resolves when every client has been refused. */
  refused(): Promise<void>
}

/** Each client asks again a moment after its answer, so that the gateway has time for more, until it takes no connection any more. */
export function startLoad(url: string, bodies: readonly string[], clients: number): Load {
  const failures: string[] = []
  const leaving = new Array<boolean>(clients).fill(false)
  let answered = 0

  async function ask(agent: Agent, body: string): Promise<'REFUSED' | IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<'REFUSED' | IncomingMessage>()
    const path = body.includes('query_id') ? '/query/realtime' : '/graphql'
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const asking = request(`${url}${path}`, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.once('end', () => resolve(response))
      response.once('error', reject)
    })
    asking.once('error', (error: NodeJS.ErrnoException) => {
      // A connection that waited to be taken while the port was closed is refused by a reset.
      const neverTaken =
        error.code === 'ECONNREFUSED' || (error.code === 'ECONNRESET' && !asking.reusedSocket)
      if (neverTaken) resolve('REFUSED')
      else reject(error)
    })
    asking.end(body)
    return promise
  }

  async function run(client: number) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    try {
      for (let i = client; ; i++) {
        const answer = await ask(agent, bodies[i % bodies.length] ?? '')
        if (answer === 'REFUSED') return
        leaving[client] = answer.headers.connection === 'close'
        if (answer.statusCode === 200) answered++
        else failures.push(`status ${answer.statusCode}`)
        await sleep(10)
      }
    } catch (error) {
      failures.push(String(error))
    } finally {
      agent.destroy()
    }
  }

  const runs = Promise.all(Array.from({ length: clients }, (_, client) => run(client)))
  return {
    answered: () => answered,
    failures,
    askedToLeave: () => leaving.every(Boolean),
    refused: async () => void (await runs),
  }
}
