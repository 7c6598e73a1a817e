// The embedded online store: one LMDB environment in a folder that only this process opens.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Database, open } from 'lmdb'
import type { Logger } from 'pino'
import { within } from '../concurrency/within.ts'
import { AppError, messageOf } from '../errors.ts'
import { diskFullError, isDiskFull } from '../full-disk.ts'
import { ok } from '../telemetry/notices.ts'
import { plainValue, valueBeside, valueKey, viewKey } from './keys.ts'
import {
  isReadable,
  pack,
  packedDroppable,
  packedExpiry,
  packedValue,
  packedVersion,
  unpack,
} from './packed.ts'
import type { OnlineEntry, OnlineStore, ReadRequest, WriteEntry } from './port.ts'

export interface LmdbStoreOptions {
  folder: string
  log: Logger
}

export interface LmdbStore extends OnlineStore {
  /** Removes the entries whose time is over and resolves to how many they were. */
  sweep(): Promise<number>
}

/** How often expired entries are swept. */
const sweepEveryMs = 30_000
/** Entries a transaction: its callback runs in one go, so this bounds how long a lookup may have to wait. */
const transactionEntries = 1000
/** Keys between two marks when a sample is drawn. */
const markEvery = 5000
/** The reason of a failed commit comes in the same turn as its failure; a missing one holds up nothing for longer. */
const reasonWithinMs = 1000
/** A later expiry (in the year 6429) is as good as none; it bounds the digits of a due key. */
const latestExpiryMs = 2 ** 47

type Store = Database<Buffer, string>

export async function createLmdbStore({ folder, log }: LmdbStoreOptions): Promise<LmdbStore> {
  const db = openFolder(folder)
  let closing: Promise<void> | undefined

  async function run<T>(doing: string, action: () => T | Promise<T>): Promise<T> {
    if (closing) throw new AppError('ONLINE_STORE_UNAVAILABLE', `The online store is closed: ${doing} failed`)
    try {
      return await action()
    } catch (error) {
      throw failure(`${doing} failed in the embedded online store`, await commitFailure(error))
    }
  }

  const sweep = () => run('Sweeping expired entries', () => sweepExpired(db, Date.now()))
  const sweepAndSay = async () => {
    try {
      const entries = await sweep()
      if (entries > 0) log.debug({ entries }, 'Expired entries of the online store are swept')
    } catch (error) {
      if (!closing) log.warn({ err: error }, 'Expired entries of the online store were not swept')
    }
  }
  const timer = setInterval(sweepAndSay, sweepEveryMs).unref()

  return {
    name: 'lmdb',
    read: (requests) => run('Reading', () => requests.map((request) => readView(db, request, Date.now()))),
    write: (view, entries) => run('Writing', () => writeEntries(db, view, entries)),
    raiseWatermark: (view, version) => run('Raising a watermark', () => raiseWatermark(db, view, version)),
    removeBelow: (view, version) => run('Removing entries', () => removeBelow(db, view, version)),
    removeDroppable: (view, keys) =>
      run('Dropping entries', () => removeDroppable(db, entryPrefix(view), keys)),
    dropView: (view) =>
      run('Dropping a view', async () => {
        await removeBelow(db, view, Number.MAX_VALUE)
        await db.remove(watermarkKey(view))
      }),
    sample: (view, count) => run('Sampling', () => sample(db, view, count)),
    ping: () => run('A ping', () => void readWatermark(db, '')),
    examine: () =>
      run('Examining', () => {
        // Every key is touched: a file that is damaged somewhere gives itself away.
        const entries = db.getKeysCount({ start: 'a', end: 'z' })
        return [ok(`it can be opened and read: ${entries} keys`)]
      }),
    sweep,
    close() {
      clearInterval(timer)
      closing ??= db.close()
      return closing
    },
  }
}

function openFolder(folder: string): Store {
  try {
    return open<Buffer, string>(folder, {
      noSubdir: false,
      keyEncoder,
      encoding: 'binary',
      cache: false,
      maxDbs: 1,
      // Else each batch has a promise that nobody holds, and a commit that fails would end the process by it.
      eventTurnBatching: false,
    })
  } catch (error) {
    throw failure('The folder of the embedded online store (`online` in DATA_DIR) cannot be opened', error)
  }
}

/** Why a commit failed. LMDB's error only names a promise, which rejects with the reason and ends the process unless caught. */
async function commitFailure(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error && error.commitError instanceof Promise))
    return error
  const reason = error.commitError.then(
    () => error,
    (cause: unknown) => cause,
  )
  return within(reasonWithinMs, reason, () => error)
}

function failure(what: string, error: unknown): AppError {
  if (isDiskFull(error)) return diskFullError('ONLINE_STORE_UNAVAILABLE', 'the embedded online store', error)
  return new AppError('ONLINE_STORE_UNAVAILABLE', `${what}: ${messageOf(error)}`, { cause: error })
}

// Keys: `e` view NUL value → the packed entry. `f` view → the watermark. `x` time, entry's key → an entry that is due then.

/** Writes a key where LMDB wants it, without a buffer in between. */
const keyEncoder = {
  writeKey: (key: string, target: Buffer, start: number) => start + target.write(key, start),
  readKey: (source: Buffer, start: number, end: number) => source.toString('utf8', start, end),
}

function entryPrefix(view: string): string {
  return `e${viewKey(view)}\0`
}

function watermarkKey(view: string): string {
  return `f${viewKey(view)}`
}

const dueDigits = 12

function dueKey(expiresAtMs: number, entryKey: string): string {
  return `x${expiresAtMs.toString(16).padStart(dueDigits, '0')}${entryKey}`
}

/** The first key after this one. */
function keyAfter(key: string): string {
  return `${key}\0`
}

/** The first key after all that begin with this prefix, which ends in NUL. */
function keyAfterAll(prefix: string): string {
  return `${prefix.slice(0, -1)}\x01`
}

function readWatermark(db: Store, view: string): number {
  return db.getBinary(watermarkKey(view))?.readDoubleLE(0) ?? 0
}

/**
 * The packed entry under a key, in memory that LMDB uses again for its next answer: read at once, or copied.
 * Its `length` is the entry's; nothing else of the buffer may be relied on (no `subarray` without an end).
 */
function peek(db: Store, key: string): Buffer | null {
  const bytes: Uint8Array | undefined = db.getBinaryFast(key)
  if (!bytes) return null
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** The same unless the entry's time is over or it is of another format. */
function peekLive(db: Store, key: string, nowMs: number): Buffer | null {
  const packed = peek(db, key)
  return packed && isReadable(packed) && packedExpiry(packed) > nowMs ? packed : null
}

function readView(db: Store, { view, values }: ReadRequest, nowMs: number) {
  const prefix = entryPrefix(view)
  const entries = values.map((value): OnlineEntry | null => {
    const packed = peekLive(db, prefix + valueKey(value), nowMs)
    return packed && unpack(packed)
  })
  return { watermark: readWatermark(db, view), entries }
}

async function writeEntries(db: Store, view: string, entries: readonly WriteEntry[]): Promise<boolean[]> {
  const prefix = entryPrefix(view)
  const keys = entries.map(({ value }) => prefix + valueKey(value))
  const taken = new Array<boolean>(entries.length).fill(false)
  const places = inOrder(keys)
  for (let from = 0; from < places.length; from += transactionEntries) {
    const part = places.slice(from, from + transactionEntries)
    // One after the other: LMDB would run queued transactions in one go, and lookups get their turn in between.
    await db.transaction(() => {
      const nowMs = Date.now()
      for (const i of part) {
        const [key, entry] = [keys[i], entries[i]]
        if (key !== undefined && entry !== undefined) taken[i] = putIfNewer(db, key, entry, nowMs)
      }
    })
  }
  return taken
}

/** Where each key stands, by the order of keys: neighbours share the pages that a transaction has to write. Equal keys keep theirs. */
function inOrder(keys: readonly string[]): number[] {
  return keys
    .map((key, place) => ({ key, place }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.place - b.place))
    .map(({ place }) => place)
}

/** Inside a transaction: keeps the entry unless a newer one is there. */
function putIfNewer(db: Store, key: string, entry: WriteEntry, nowMs: number): boolean {
  const stored = peek(db, key)
  let droppable = entry.droppable ?? false
  if (stored && isReadable(stored)) {
    const storedExpiry = packedExpiry(stored)
    if (packedVersion(stored) > entry.version && storedExpiry > nowMs) return false
    droppable &&= packedDroppable(stored) || storedExpiry <= nowMs
    if (storedExpiry !== Number.POSITIVE_INFINITY) db.removeSync(dueKey(storedExpiry, key))
  }
  const expiresAtMs = entry.expiresInMs === null ? null : Math.ceil(nowMs + entry.expiresInMs)
  const expires = expiresAtMs !== null && expiresAtMs < latestExpiryMs
  const extras = {
    expiresAtMs: expires ? expiresAtMs : null,
    value: valueBeside(entry),
    droppable,
  }
  db.putSync(key, pack(entry, extras))
  if (expires) db.putSync(dueKey(expiresAtMs, key), Buffer.of(1))
  return true
}

async function raiseWatermark(db: Store, view: string, version: number): Promise<void> {
  const watermark = Buffer.allocUnsafe(8)
  watermark.writeDoubleLE(version, 0)
  await db.transaction(() => {
    if (readWatermark(db, view) < version) db.putSync(watermarkKey(view), watermark)
  })
}

async function removeBelow(db: Store, view: string, version: number): Promise<number> {
  const prefix = entryPrefix(view)
  return walk(db, prefix, keyAfterAll(prefix), (key) => {
    const packed = peek(db, key)
    if (!packed || (isReadable(packed) && packedVersion(packed) >= version)) return false
    return removeEntry(db, key, packed)
  })
}

async function removeDroppable(db: Store, prefix: string, valueKeys: readonly string[]): Promise<void> {
  for (let from = 0; from < valueKeys.length; from += transactionEntries) {
    await db.transaction(() => {
      for (const valueKey of valueKeys.slice(from, from + transactionEntries)) {
        const key = prefix + valueKey
        const packed = peek(db, key)
        if (packed && isReadable(packed) && packedDroppable(packed)) removeEntry(db, key, packed)
      }
    })
  }
}

/** Inside a transaction: removes the entry, with what says when it is due. */
function removeEntry(db: Store, key: string, packed: Buffer): boolean {
  const expiresAtMs = isReadable(packed) ? packedExpiry(packed) : Number.POSITIVE_INFINITY
  if (expiresAtMs !== Number.POSITIVE_INFINITY) db.removeSync(dueKey(expiresAtMs, key))
  return db.removeSync(key)
}

async function sweepExpired(db: Store, nowMs: number): Promise<number> {
  const due = dueKey(0, '')
  return walk(db, due, dueKey(nowMs + 1, ''), (key) => {
    const entryKey = key.slice(due.length)
    const packed = peek(db, entryKey)
    const isOver = packed !== null && packedExpiry(packed) <= nowMs
    db.removeSync(key)
    return isOver && db.removeSync(entryKey)
  })
}

/** Visits a range's keys, a transaction for every few, and counts the visits that say they removed an entry. */
async function walk(db: Store, start: string, end: string, visit: (key: string) => boolean): Promise<number> {
  let from: string | null = start
  let removed = 0
  while (from) {
    const begin: string = from
    from = await db.transaction(() => {
      const keys = [...db.getKeys({ start: begin, end, limit: transactionEntries })]
      for (const key of keys) if (visit(key)) removed++
      const last = keys.at(-1)
      return last && keys.length === transactionEntries ? keyAfter(last) : null
    })
  }
  return removed
}

/**
 * Uniform over the view's keys: marks are set along the range (LMDB skips between them in native code, and lookups
 * get their turn), then random ranks are looked up from the mark before them.
 */
async function sample(db: Store, view: string, count: number): Promise<string[]> {
  const start = entryPrefix(view)
  const end = keyAfterAll(start)
  const marks = [start]
  for (let next = keyAt(db, start, end, markEvery); next; next = keyAt(db, next, end, markEvery)) {
    marks.push(next)
    await nextTurn()
  }
  const lastMark = marks.at(-1) ?? start
  const total = (marks.length - 1) * markEvery + db.getKeysCount({ start: lastMark, end })
  const values: string[] = []
  let looked = 0
  for (const rank of randomRanks(total, count)) {
    if (++looked % 50 === 0) await nextTurn()
    const key = keyAt(db, marks[Math.floor(rank / markEvery)] ?? start, end, rank % markEvery)
    const packed = key && peekLive(db, key, Date.now())
    const value = packed && (packedValue(packed) ?? plainValue(key.slice(start.length)))
    if (value !== null && value !== undefined) values.push(value)
  }
  return [...new Set(values)]
}

function keyAt(db: Store, start: string, end: string, offset: number): string | null {
  for (const key of db.getKeys({ start, end, offset, limit: 1 })) return key
  return null
}

/** `count` different numbers below `total` (all of them when there are no more). */
function randomRanks(total: number, count: number): Set<number> {
  // Floyd's sampling: one draw for each number taken.
  const ranks = new Set<number>()
  for (let top = Math.max(0, total - count); top < total; top++) {
    const drawn = Math.floor(Math.random() * (top + 1))
    ranks.add(ranks.has(drawn) ? top : drawn)
  }
  return ranks
}
