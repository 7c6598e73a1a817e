// What a server's own settings would do to the online store, said once at the start.

import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { setting } from './examine.ts'

/** Watermarks have no time to live: a server that evicts any key forgets them, and old rows would be served as fresh. */
export async function warnOfEviction(nodes: readonly Redis[], log: Logger) {
  for (const node of nodes) {
    const [policy, limit] = await Promise.all([setting(node, 'maxmemory-policy'), setting(node, 'maxmemory')])
    if (!policy?.startsWith('allkeys-') || limit === '0') continue
    log.warn(
      { policy },
      'Redis may evict what must not be lost: set its maxmemory-policy to noeviction, or to volatile-lru or another volatile policy',
    )
    return
  }
}
