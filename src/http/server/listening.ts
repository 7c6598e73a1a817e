// Opening the port, and what to do when it cannot be had.

import type { FastifyInstance } from 'fastify'
import type { Config } from '../../config/config.ts'
import { ConfigError } from '../../config/config-error.ts'
import { messageOf } from '../../errors.ts'

/** Rejects with a ConfigError when the port cannot be had. */
export async function listen(app: FastifyInstance, { host, port }: Pick<Config, 'host' | 'port'>) {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    throw new ConfigError(whyNotListening(cause, host, port), { cause })
  }
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no TCP address')
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}` }
}

function whyNotListening(cause: unknown, host: string, port: number): string {
  switch (cause instanceof Error && 'code' in cause ? cause.code : undefined) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use by another process: stop it, or set PORT to a free port (0 takes any)`
    case 'EACCES':
      return `This user may not listen on port ${port}: set PORT to one above 1023`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST=${host} is not an address of this machine: set HOST to one, such as 127.0.0.1 or 0.0.0.0`
    default:
      return `The gateway cannot listen on ${host}:${port}: ${messageOf(cause)}`
  }
}
