// What is done about a server that has lost acknowledged writes: an empty store is always right, an old one is not.

import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { Marks } from './marks.ts'
import { keyPrefix, type RedisConnection, watermarkKey } from './store.ts'
import type { WatermarkMemory } from './watermarks.ts'

const keysPerScan = 1000

export interface Repair {
  /** At once, unless it is under way; until it has succeeded, reads go on to find the loss and call it again. */
  start(): void
}

/**
 * All entries go, on every server: which of them are behind, nobody can tell any more. Then the watermarks that are known
 * rise again, and last the marks: from then on the servers are believed.
 */
export function createRepair(options: {
  connection: () => RedisConnection
  marks: Marks
  watermarks: WatermarkMemory
  log: Logger
}): Repair {
  const { connection, marks, watermarks, log } = options
  let running = false
  let announced = false

  async function run() {
    const { nodes, scripts } = connection()
    for (const node of await nodes()) await removeEverything(node)
    for (const [view, watermark] of watermarks.all())
      await scripts.raiseWatermark(watermarkKey(view), `${watermark}`)
    for (const [key, count] of marks.all()) await scripts.raiseWatermark(key, `${count}`)
  }

  async function runOnce() {
    if (running) return
    running = true
    try {
      if (!announced) {
        log.warn(
          'The online store (Redis) has lost acknowledged writes: what it holds is dropped and computed anew',
        )
      }
      announced = true
      await run()
      announced = false
      log.info('The online store (Redis) is empty and in use again')
    } catch (error) {
      log.debug({ err: error }, 'What the online store (Redis) holds could not be dropped yet')
    } finally {
      running = false
    }
  }

  return { start: () => void runOnce() }
}

async function removeEverything(node: Redis) {
  let cursor = '0'
  do {
    const [next, keys] = await node.scan(cursor, 'MATCH', `${keyPrefix}*`, 'COUNT', keysPerScan)
    const pipeline = node.pipeline()
    for (const key of keys) pipeline.unlink(key)
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error
    cursor = next
  } while (cursor !== '0')
}
