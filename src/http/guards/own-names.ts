// Where nobody is asked who they are, the gateway answers to this machine's own names only: a page that has its name
// point here (DNS rebinding) would else be taken for the gateway's own, and read what it likes.

import type { Server } from 'node:http'
import { describeRestFailure } from '../rest/rest-failures.ts'
import { handleFirst } from '../server/handle-first.ts'
import type { Requester } from './identities.ts'

const ownName = /^(localhost|[\w-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

/** Browsers name whom they ask; what names nobody is none. */
export function asksThisMachine({ headers: { host } }: Pick<Requester, 'headers'>): boolean {
  return host === undefined || ownName.test(host)
}

export function answerToOwnNamesOnly(server: Server) {
  handleFirst(server, (request, response, goOn) => {
    if (asksThisMachine(request)) return goOn()
    const reason =
      'This gateway asks nobody who they are, so it answers to 127.0.0.1, [::1] and localhost only. To be reached by another name, set AUTH=required, or AUTH=none-a-proxy-authenticates behind a proxy'
    const text = JSON.stringify(describeRestFailure('FORBIDDEN', reason))
    response.writeHead(403, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'x-content-type-options': 'nosniff',
      // Its body is not read.
      connection: 'close',
    })
    response.end(text)
  })
}
