// A cluster's slots: which server a key is on, and commands sent there, wherever their slots go meanwhile.

import { setTimeout as pause } from 'node:timers/promises'
import type { ChainableCommander, Cluster, Redis } from 'ioredis'
import { within } from '../../concurrency/within.ts'
import type { Reply } from './held.ts'
import { slotCount } from './slot.ts'

const pausesMs = [0, 20, 50, 100, 200] as const

/** One command, for a key of the slot. */
export interface SlotCommand {
  slot: number
  add(pipeline: ChainableCommander): void
  /** The same command through ioredis, which goes where a slot on its way says (ASK). */
  redirected(): Promise<unknown>
}

/** Sends to one server what concerns it: a reply for each command. */
export type SendToNode = (node: Redis, commands: readonly SlotCommand[]) => Promise<readonly Reply[]>

/** The master that holds the slot, as far as known. */
export function masterOf(cluster: Cluster): (slot: number) => Redis | undefined {
  const masters = new Map(
    cluster.nodes('master').map((node) => [`${node.options.host}:${node.options.port}`, node]),
  )
  return (slot) => masters.get(cluster.slots[slot]?.[0] ?? '')
}

/** Every master, once all slots are known to have one that is connected: what is left out would be passed over in silence. */
export async function allMasters(cluster: Cluster, timeoutMs: number): Promise<readonly Redis[]> {
  const deadlineMs = Date.now() + timeoutMs
  for (let attempt = 0; ; attempt++) {
    const find = masterOf(cluster)
    const found = new Set(Array.from({ length: slotCount }, (_, slot) => find(slot)))
    if (cluster.status === 'ready' && !found.has(undefined)) {
      return [...found].filter((node) => node !== undefined)
    }
    const waitMs = pausesMs[Math.min(attempt, pausesMs.length - 1)] ?? 0
    if (Date.now() + waitMs >= deadlineMs || cluster.status === 'end') {
      throw new Error('The cluster is not ready')
    }
    await Promise.all([pause(waitMs), refreshSlots(cluster)])
  }
}

/** Positions of slots by the server that holds them; those that nobody is known to hold come under undefined. */
export function byNode(cluster: Cluster, slots: readonly number[]): Map<Redis | undefined, number[]> {
  const find = masterOf(cluster)
  const groups = new Map<Redis | undefined, number[]>()
  for (const [i, slot] of slots.entries()) {
    const node = find(slot)
    const group = groups.get(node)
    if (group) group.push(i)
    else groups.set(node, [i])
  }
  return groups
}

/**
 * One round trip to each server that holds a slot. What a server does not answer because its slots have moved, are
 * moving, or because it died goes where the slots are by then, until the time is over. Any command may come twice.
 */
export async function sendBySlot(options: {
  cluster: Cluster
  commands: readonly SlotCommand[]
  send: SendToNode
  timeoutMs: number
}): Promise<unknown[]> {
  const { cluster, commands, send, timeoutMs } = options
  const deadlineMs = Date.now() + timeoutMs
  const results = new Array<unknown>(commands.length)
  let failure = new Error('The cluster is not ready')

  async function sendTo(node: Redis | undefined, positions: readonly number[]): Promise<number[]> {
    if (!node) return [...positions]
    const own = positions.flatMap((i) => commands[i] ?? [])
    const replies = await send(node, own)
    const again: number[] = []
    const asked: number[] = []
    for (const [k, i] of positions.entries()) {
      const [error, result] = replies[k] ?? [new Error('no reply'), null]
      if (!error) results[i] = result
      else if (error.message.startsWith('ASK ')) asked.push(i)
      else if (!isPassing(error)) throw error
      else {
        failure = error
        again.push(i)
      }
    }
    await Promise.all(
      asked.map(async (i) => {
        results[i] = await commands[i]?.redirected()
      }),
    )
    return again
  }

  async function sendAll() {
    let left = commands.map((_, i) => i)
    for (let attempt = 0; left.length > 0; attempt++) {
      if (attempt > 0) {
        const waitMs = pausesMs[Math.min(attempt, pausesMs.length) - 1] ?? 0
        if (Date.now() + waitMs >= deadlineMs || cluster.status === 'end') throw failure
        await Promise.all([pause(waitMs), refreshSlots(cluster)])
      }
      const here = left
      const groups = byNode(
        cluster,
        here.map((i) => commands[i]?.slot ?? 0),
      )
      const sent = [...groups].map(([node, group]) =>
        sendTo(
          node,
          group.flatMap((k) => here[k] ?? []),
        ),
      )
      left = (await Promise.all(sent)).flat()
    }
    return results
  }

  return withinTime(sendAll(), timeoutMs, () => failure)
}

/** Rejects with the reason so far when the time is over. */
export function withinTime<T>(action: Promise<T>, timeoutMs: number, reason: () => Error | null): Promise<T> {
  return within(timeoutMs, action, () => {
    throw new Error('The cluster timed out', { cause: reason() })
  })
}

/** What another server, or the same one a little later, may well answer. */
function isPassing(error: Error): boolean {
  if (error.name !== 'ReplyError') return true
  return /^(MOVED|TRYAGAIN|CLUSTERDOWN|READONLY|LOADING|MASTERDOWN|UNKILLABLE|BUSY) /.test(
    `${error.message} `,
  )
}

async function refreshSlots(cluster: Cluster): Promise<void> {
  if (cluster.status !== 'ready') return
  await new Promise<void>((resolve) => cluster.refreshSlotsCache(() => resolve()))
}
