// The answers that stay open (SSE): paced by their reader, ended when the client leaves or the server closes.

import { Readable } from 'node:stream'
import type { Identity } from '../../access/identity.ts'

export type OpenStreams = ReturnType<typeof createOpenStreams>

export function createOpenStreams() {
  const enders = new Set<() => void>()

  return {
    /**
     * A web stream as Node's: read only as fast as the client takes it, cancelled once it is destroyed. It ends when its
     * caller's identity does, without the event that would call it complete: clients connect again.
     */
    open(body: ReadableStream<Uint8Array>, identity: Identity | null): Readable {
      const reader = body.getReader()
      let ended = false
      const stream = new Readable({
        read() {
          reader.read().then(
            ({ done, value }) => {
              if (!ended) this.push(done ? null : value)
              ended ||= done
            },
            (error: Error) => this.destroy(error),
          )
        },
        destroy(error, callback) {
          ended = true
          enders.delete(end)
          stopWatching?.()
          reader.cancel(error).then(
            () => callback(null),
            () => callback(null),
          )
        },
      })
      function end() {
        if (!ended) stream.push(null)
        ended = true
      }
      enders.add(end)
      const stopWatching = identity?.onEnd(end)
      return stream
    },
    size: () => enders.size,
    /** Ends every answer as if it were complete; what it was reading from is cancelled. */
    endAll() {
      for (const end of enders) end()
    },
  }
}
