// What an ONLINE_URL says of Redis servers: one or several addresses, credentials, TLS, and what stands behind the slash.

import { ConfigError } from '../../config/config-error.ts'

export interface RedisUrl {
  hosts: readonly { host: string; port: number }[]
  /** As ioredis takes them; a part that the URL leaves out is left out here. */
  credentials: { username?: string; password?: string }
  tls: boolean
  /** The parts of the path: `['mymaster', '2']`. */
  path: readonly string[]
}

/** `scheme://user:password@host:port,host:port/path`; a query is left aside. Never shows the URL: it holds a password. */
export function parseRedisUrl(url: string, form: { example: string; port: number }): RedisUrl {
  const parsed = /^(rediss?)[\w-]*:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^@/?#]+)(\/[^?#]*)?(?:[?#].*)?$/.exec(
    url,
  )
  if (!parsed) throw notUsable(form.example)
  const [, scheme, username = '', password = '', hosts = '', path = ''] = parsed
  try {
    return {
      hosts: hosts.split(',').map((text) => parseHost(text, form)),
      credentials: {
        ...(username === '' ? {} : { username: decodeURIComponent(username) }),
        ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      },
      tls: scheme === 'rediss',
      path: path
        .split('/')
        .filter((part) => part !== '')
        .map(decodeURIComponent),
    }
  } catch {
    throw notUsable(form.example)
  }
}

/** The number of a database, 0 where none is named. */
export function parseDatabase(text: string | undefined, example: string): number {
  if (text !== undefined && !/^\d{1,5}$/.test(text)) throw notUsable(example)
  return Number(text ?? 0)
}

function parseHost(text: string, form: { example: string; port: number }) {
  const url = `redis://${text}`
  if (!URL.canParse(url)) throw notUsable(form.example)
  const { hostname, port } = new URL(url)
  if (hostname === '') throw notUsable(form.example)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? form.port : Number(port) }
}

function notUsable(example: string): ConfigError {
  return new ConfigError(`ONLINE_URL: this is no URL of Redis; one looks like ${example}`)
}
