// A real redis-server on a free port, with its own folder; it can be killed, started again and paused.

import type { Certificates } from './certificates.ts'
import { createFolder, freePort, startChild } from './child.ts'
import { programPath } from './programs.ts'

export interface RedisOptions {
  /** Keeps every write over a restart (an append-only file). */
  persistent?: boolean
  /** Further settings, as on the command line: `['--maxmemory', '10mb']`. */
  args?: readonly string[]
  /** Speaks TLS only. */
  certificates?: Certificates
}

export type RedisServer = Awaited<ReturnType<typeof startRedis>>

export async function startRedis({ persistent = false, args = [], certificates }: RedisOptions = {}) {
  const folder = await createFolder('redis')
  const port = await freePort()
  const listens = certificates ? ['--port', '0', '--tls-port', `${port}`] : ['--port', `${port}`]
  const settings = [...listens, '--bind', '127.0.0.1', '--dir', folder.path, '--save', '']
  const tls = certificates
    ? [
        ...['--tls-cert-file', certificates.certificate, '--tls-key-file', certificates.key],
        ...['--tls-ca-cert-file', certificates.authority, '--tls-auth-clients', 'no'],
      ]
    : []
  const appendOnly = persistent ? ['--appendonly', 'yes', '--appendfsync', 'always'] : []
  const start = () =>
    startChild(programPath('redis-server'), [...settings, ...appendOnly, ...tls, ...args], {
      ready: /Ready to accept connections/,
    })
  let server = await start()
  return {
    url: `${certificates ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    port,
    /** SIGKILL; `restart` brings it back on the same port. */
    kill: () => server.end('SIGKILL'),
    async restart() {
      await server.end('SIGKILL')
      server = await start()
    },
    /** It keeps its connections and answers nothing until `resume`. */
    pause: () => server.pause(),
    resume: () => server.resume(),
    async stop() {
      await server.end('SIGKILL')
      await folder.remove()
    },
  }
}
