// Writes that are to survive the death of a server: marked, and held by a replica before they count as done.

import type { ChainableCommander, Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { Marks } from './marks.ts'

/** Replicas that did not answer in that time are not waited for again so soon. */
const leaveReplicasMs = 10_000

export type Reply = [error: Error | null, result: unknown]

export interface HeldWrites {
  /**
   * Sends what `add` puts into a pipeline on this one connection, raises the mark, and waits until one of the server's
   * replicas, if it has any, holds it all. Replicas that do not answer are logged: the marks still find a loss.
   * A reply for each command; all carry an error if the mark could not be raised.
   */
  send(redis: Redis, markKey: string | null, add: (pipeline: ChainableCommander) => void): Promise<Reply[]>
}

export function createHeldWrites(options: {
  marks: Marks
  /** How long a write waits for a replica to have it. */
  replicaTimeoutMs: number
  log: Logger
}): HeldWrites {
  const { marks, replicaTimeoutMs, log } = options
  const hasReplicas = new WeakMap<Redis, boolean>()
  const leftAloneUntilMs = new WeakMap<Redis, number>()

  function waitsFor(redis: Redis): boolean {
    return hasReplicas.get(redis) === true && (leftAloneUntilMs.get(redis) ?? 0) < Date.now()
  }

  async function send(redis: Redis, markKey: string | null, add: (pipeline: ChainableCommander) => void) {
    const expected = markKey === null ? 0 : marks.seen(markKey)
    const waits = waitsFor(redis)
    const pipeline = redis.pipeline()
    add(pipeline)
    const commands = pipeline.length
    pipeline.role()
    if (markKey !== null) pipeline.incr(markKey)
    if (waits) pipeline.wait(1, replicaTimeoutMs)
    const replies: Reply[] = (await pipeline.exec()) ?? []
    hasReplicas.set(redis, listsReplicas(replies[commands]?.[1]))

    if (markKey !== null) {
      const [error, count] = replies[commands + 1] ?? [new Error('no reply'), 0]
      if (error) return replies.slice(0, commands).map(([own]): Reply => [own ?? error, null])
      marks.check(markKey, Number(count), expected)
    }
    if (waits) noteReplicas(redis, replies.at(-1) ?? [null, 0])
    // The first write on a connection learns only here that there is someone to wait for.
    else if (waitsFor(redis)) await send(redis, markKey, () => undefined)
    return replies.slice(0, commands)
  }

  function noteReplicas(redis: Redis, [error, acknowledged]: Reply) {
    if (!error && Number(acknowledged) > 0) return
    leftAloneUntilMs.set(redis, Date.now() + leaveReplicasMs)
    log.warn(
      { replicaTimeoutMs },
      'No replica of the online store has confirmed a write in time; should its server fail now, the write is lost',
    )
  }

  return { send }
}

/** ROLE of a master: `master`, its offset, and a list of the replicas that are connected. */
function listsReplicas(role: unknown): boolean {
  return Array.isArray(role) && Array.isArray(role[2]) && role[2].length > 0
}
