// A client that notes what each of its requests came to.

import { createClient as createSocket } from 'graphql-ws'
import { WebSocket } from 'ws'
import type { Outcomes } from './outcomes.ts'

/** No request may take longer, whatever is broken. */
const hungAfterMs = 120_000

interface Answer {
  data?: unknown
  errors?: { message: string; extensions?: { code?: string } }[]
  code?: string
  reason?: string
}

export type SoakClient = ReturnType<typeof createSoakClient>

/** `urlOf` names a gateway for each request anew. */
export function createSoakClient({ urlOf, outcomes }: { urlOf: () => string; outcomes: Outcomes }) {
  /** Null when there was no usable answer; it is noted. */
  async function send<T>(what: string, path: string, init: RequestInit): Promise<T | null> {
    const fromMs = Date.now()
    try {
      const response = await fetch(`${urlOf()}${path}`, { ...init, signal: AbortSignal.timeout(hungAfterMs) })
      const answer = (await response.json()) as Answer
      const [error] = answer.errors ?? []
      const code = error?.extensions?.code ?? answer.code ?? (response.ok ? 'OK' : `HTTP ${response.status}`)
      outcomes.note(what, code, fromMs, error?.message ?? answer.reason)
      return code === 'OK' ? ((answer.data ?? answer) as T) : null
    } catch (error) {
      const hung = error instanceof DOMException && error.name === 'TimeoutError'
      outcomes.note(what, hung ? 'HUNG' : 'BROKEN', fromMs, String(error))
      return null
    }
  }

  const post = (body: unknown) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

  return {
    graphql: <T>(what: string, query: string, variables: Record<string, unknown> = {}) =>
      send<T>(what, '/graphql', post({ query, variables })),
    rest: <T>(what: string, path: string, body: unknown) => send<T>(what, path, post(body)),

    /** Follows a subscription for some events, then leaves: with a word, or by cutting the connection. */
    async followAndLeave(
      query: string,
      variables: Record<string, unknown>,
      events: number,
      politely: boolean,
    ) {
      const fromMs = Date.now()
      let cut: WebSocket | undefined
      class Cuttable extends WebSocket {
        constructor(...args: ConstructorParameters<typeof WebSocket>) {
          super(...args)
          cut = this
        }
      }
      const url = `${urlOf().replace('http', 'ws')}/graphql`
      const socket = createSocket({ url, webSocketImpl: Cuttable, retryAttempts: 0 })
      const giveUp = setTimeout(() => cut?.terminate(), 4_000)
      let seen = 0
      try {
        for await (const event of socket.iterate({ query, variables })) {
          const code = event.errors?.[0]?.extensions?.code
          outcomes.note('follow', code === undefined ? 'OK' : String(code), fromMs)
          if (++seen >= events) break
        }
      } catch (error) {
        if (seen === 0 && !(cut?.readyState === WebSocket.CLOSED && Date.now() - fromMs >= 4_000))
          outcomes.note('follow', 'BROKEN', fromMs, String(error))
      } finally {
        clearTimeout(giveUp)
        if (politely) await socket.dispose()
        cut?.terminate()
      }
    },

    /** Follows by server-sent events, reads the first, and is gone. */
    async streamAndVanish(query: string, variables: Record<string, unknown>) {
      const fromMs = Date.now()
      const gone = new AbortController()
      const limit = AbortSignal.any([gone.signal, AbortSignal.timeout(hungAfterMs)])
      try {
        const headers = { 'content-type': 'application/json', accept: 'text/event-stream' }
        const init = { method: 'POST', headers, body: JSON.stringify({ query, variables }), signal: limit }
        const response = await fetch(`${urlOf()}/graphql`, init)
        await response.body?.getReader().read()
        outcomes.note('stream', 'OK', fromMs)
      } catch (error) {
        outcomes.note('stream', limit.aborted ? 'HUNG' : 'BROKEN', fromMs, String(error))
      } finally {
        gone.abort()
      }
    },

    /** Takes a little of a download, dawdles, and leaves. */
    async dawdle(path: string, ms: number) {
      const gone = new AbortController()
      const fromMs = Date.now()
      try {
        const response = await fetch(`${urlOf()}${path}`, { signal: gone.signal })
        await response.body?.getReader().read()
        await new Promise((resolve) => setTimeout(resolve, ms))
        // A dataset of a gateway that was killed may be gone.
        outcomes.note(
          'download',
          response.ok || response.status === 404 ? 'OK' : `HTTP ${response.status}`,
          fromMs,
        )
      } catch (error) {
        outcomes.note('download', 'BROKEN', fromMs, String(error))
      } finally {
        gone.abort()
      }
    },
  }
}
