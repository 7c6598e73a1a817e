// A Redis online store put together: its connection, and what guards it against servers that lose what they acknowledged.

import type { Logger } from 'pino'
import type { OnlineStore } from '../port.ts'
import { translateFailure } from './failure.ts'
import { createHeldWrites, type HeldWrites } from './held.ts'
import { createMarks, type Marks } from './marks.ts'
import { createRepair } from './repair.ts'
import { createStoreOnRedis, type RedisConnection } from './store.ts'
import { warnOfEviction } from './warnings.ts'
import { createWatermarkMemory, withWatermarkMemory } from './watermarks.ts'

export interface RedisStoreOptions {
  url: string
  /** The file of the authorities (PEM) that a server's certificate may come from; null takes the system's. */
  tlsCa?: string | null
  log: Logger
  /** How long a call may wait for its answer. */
  commandTimeoutMs: number
}

export interface Guards {
  marks: Marks
  held: HeldWrites
  /** To be called when the servers are others than before, or there again: then their marks are looked at. */
  changed(): void
}

export interface OpeningConnection extends RedisConnection {
  /** Why there is no connection, as long as there is none. */
  lastError(): Error | null
}

/** Resolves once the servers answer, so that a wrong address or password shows at the start. */
export async function openStoreOnRedis(options: {
  name: string
  log: Logger
  commandTimeoutMs: number
  connect(guards: Guards): OpeningConnection
}): Promise<OnlineStore> {
  const { name, log, commandTimeoutMs } = options
  const watermarks = createWatermarkMemory()
  const marks = createMarks(() => repair.start())
  const held = createHeldWrites({ marks, replicaTimeoutMs: Math.min(500, commandTimeoutMs / 2), log })
  const look = () => void connection.getMany([]).catch(() => undefined)
  const connection = options.connect({ marks, held, changed: () => setImmediate(look) })
  const repair = createRepair({ connection: () => connection, marks, watermarks, log })
  const store = withWatermarkMemory(createStoreOnRedis(name, connection), watermarks)
  try {
    await store.ping()
    await warnOfEviction(await connection.nodes(), log)
    return store
  } catch (error) {
    const reason = connection.lastError() ?? error
    await connection.close()
    // Why there is no connection says more than that the ping found none.
    throw translateFailure('Connecting', reason)
  }
}
