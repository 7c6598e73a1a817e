// The memory that connections hold, all together: answers that their clients have yet to read, and requests that have yet to come whole.

import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { type AppError, unavailable } from '../../errors.ts'
import type { Metrics } from '../../telemetry/metrics.ts'

const retryAfterSeconds = 1
const tellEveryMs = 1_000

export interface HeldBytes {
  /** Counts what the socket's client leaves unread until it is closed. `address`: whom it counts for. */
  watch(socket: Socket, address: string): void
  /** So many bytes of a request that has not come whole are kept for a connection now. False: there is no room for them, and none are. */
  keep(socket: object, bytes: number): boolean
  /** Whoever makes room has yet to be gone: until then no large answer is to be written. */
  isFull(): boolean
  /** What to answer then. */
  refusal(): AppError
}

interface Holder {
  socket: Socket
  address: string
  unread: number
  kept: number
  isEnding: boolean
}

export interface HeldBytesOptions {
  maxBytes: number
  metrics: Pick<Metrics, 'refused' | 'gauge'>
  log: Logger
}

/** Where there is no more room, the address that holds most gives up its largest connection, or is refused. */
export function createHeldBytes({ maxBytes, metrics, log }: HeldBytesOptions): HeldBytes {
  const refusedCount = metrics.refused('memory')
  const holders = new WeakMap<object, Holder>()
  const ledger = createLedger()
  const tell = createTeller(log)
  const help = 'Answers that clients have yet to read, and requests under way'
  metrics.gauge({ name: 'gateway_held_bytes', help }, () => [[[], ledger.total()]])
  const hasRoom = () => ledger.staying() <= maxBytes

  function relieve() {
    while (!hasRoom()) {
      const largest = ledger.largest()
      if (largest === undefined) return
      refusedCount.value += 1
      tell(largest)
      ledger.end(largest)
      largest.socket.destroy()
    }
  }

  return {
    watch(socket, address) {
      const holder = { socket, address, unread: 0, kept: 0, isEnding: false }
      const count = () => ledger.set(holder, { unread: socket.writableLength })
      holders.set(socket, holder)
      whenNotTaken(socket, () => {
        count()
        relieve()
      })
      socket.on('drain', count)
      socket.once('close', () => ledger.close(holder))
    },
    keep(socket, bytes) {
      const holder = holders.get(socket)
      if (holder === undefined) return true
      const isMore = bytes > holder.kept
      ledger.set(holder, { kept: bytes })
      if (!isMore || hasRoom()) return true
      if (ledger.largest()?.address !== holder.address) relieve()
      else ledger.set(holder, { kept: 0 })
      return holder.kept > 0
    },
    isFull: () => ledger.total() > maxBytes,
    refusal() {
      refusedCount.value += 1
      const message = 'The gateway holds as much of requests and answers as it can; ask again in a moment'
      return unavailable('OVERLOADED', message, { retryAfterSeconds })
    },
  }
}

/** What each connection holds. */
function createLedger() {
  const holding = new Set<Holder>()
  let total = 0
  /** Of connections that are about to be closed. */
  let ending = 0

  return {
    total: () => total,
    staying: () => total - ending,
    largest: () => largestOf(holding),
    set(holder: Holder, { unread = holder.unread, kept = holder.kept }) {
      if (holder.isEnding) return
      total += unread + kept - bytesOf(holder)
      holder.unread = unread
      holder.kept = kept
      if (unread + kept > 0) holding.add(holder)
      else holding.delete(holder)
    },
    end(holder: Holder) {
      ending += bytesOf(holder)
      holder.isEnding = true
    },
    close(holder: Holder) {
      total -= bytesOf(holder)
      if (holder.isEnding) ending -= bytesOf(holder)
      holder.isEnding = true
      holding.delete(holder)
    },
  }
}

function bytesOf({ unread, kept }: Holder): number {
  return unread + kept
}

/** Of the connections that may be ended. */
function largestOf(holding: ReadonlySet<Holder>): Holder | undefined {
  const byAddress = new Map<string, { bytes: number; largest: Holder }>()
  for (const holder of holding) {
    if (holder.isEnding) continue
    const { bytes = 0, largest = holder } = byAddress.get(holder.address) ?? {}
    byAddress.set(holder.address, {
      bytes: bytes + bytesOf(holder),
      largest: bytesOf(holder) > bytesOf(largest) ? holder : largest,
    })
  }
  let most: { bytes: number; largest: Holder } | undefined
  for (const each of byAddress.values()) if (most === undefined || each.bytes > most.bytes) most = each
  return most?.largest
}

/** Calls after each write of which something has to wait for the client. */
function whenNotTaken(socket: Socket, waits: () => void) {
  const write = socket.write as (...args: unknown[]) => boolean
  socket.write = (piece: unknown, encoding?: unknown, done?: unknown) => {
    const isTaken = write.call(socket, piece, encoding, done)
    if (!isTaken && socket.writableLength > 0) waits()
    return isTaken
  }
}

/** Tells of connections that are ended, now and then. */
function createTeller(log: Logger) {
  let [count, toldAtMs] = [0, Number.NEGATIVE_INFINITY]
  return (holder: Holder) => {
    count++
    if (performance.now() - toldAtMs < tellEveryMs) return
    log.warn(
      { connections: count, address: holder.address, bytes: bytesOf(holder) },
      'Connections were ended: their clients held more memory than there is, by answers that they do not read or requests that they do not end',
    )
    ;[count, toldAtMs] = [0, performance.now()]
  }
}
