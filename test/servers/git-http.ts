// Smart HTTP for git: a small HTTP server in front of git's own CGI program, `git http-backend`.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { programPath } from './programs.ts'

/** Serves every repository in `root` for reading. */
export async function serveGitHttp(root: string) {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    answer(root, request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function answer(root: string, request: IncomingMessage, response: ServerResponse) {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const { 'content-type': type, 'content-encoding': encoding, 'git-protocol': protocol } = request.headers
  const backend = spawn(programPath('git'), ['http-backend'], {
    env: {
      PATH: process.env.PATH ?? '',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method ?? 'GET',
      ...(type === undefined ? {} : { CONTENT_TYPE: type }),
      ...(encoding === undefined ? {} : { HTTP_CONTENT_ENCODING: encoding }),
      ...(typeof protocol === 'string' ? { GIT_PROTOCOL: protocol } : {}),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  response.on('close', () => backend.kill())
  const sent = pipeline(request, backend.stdin).catch(() => undefined)
  await pipeline(withoutHead(backend.stdout, response), response)
  await sent
}

/** Turns the CGI answer's head into the response's status and headers; yields the body. */
async function* withoutHead(output: AsyncIterable<Buffer>, response: ServerResponse) {
  let head: Buffer | null = Buffer.alloc(0)
  for await (const chunk of output) {
    if (head === null) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) continue
    for (const line of head.toString('latin1', 0, end).split('\r\n')) {
      const colon = line.indexOf(':')
      const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()]
      if (name.toLowerCase() === 'status') response.statusCode = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    const body = head.subarray(end + 4)
    head = null
    if (body.length > 0) yield body
  }
}
