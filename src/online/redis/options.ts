// How every connection to a Redis server is made: its time limits, its credentials, its TLS.

import { readFileSync } from 'node:fs'
import type { RedisOptions } from 'ioredis'
import { ConfigError } from '../../config/config-error.ts'
import type { RedisUrl } from './url.ts'

/** Growing to two seconds, and never the same for all gateways. */
export function pauseBeforeAttempt(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 10), 2000) * (0.75 + Math.random() / 2)
}

/** Without a limit on each command: who sends many at once limits their whole. A dead connection is noticed anyway. */
export function connectionOptions(
  { credentials, tls }: RedisUrl,
  { tlsCa, commandTimeoutMs }: { tlsCa: string | null; commandTimeoutMs: number },
) {
  return {
    ...credentials,
    ...(tls ? { tls: tlsCa === null ? {} : { ca: readCa(tlsCa) } } : {}),
    connectTimeout: commandTimeoutMs,
    socketTimeout: commandTimeoutMs + 1000,
    connectionName: 'feature-gateway',
  } satisfies RedisOptions
}

function readCa(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new ConfigError(`ONLINE_TLS_CA: the file ${path} cannot be read`, { cause: error })
  }
}
