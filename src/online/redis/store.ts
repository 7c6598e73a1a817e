// The online store on any Redis: what a read, a write and a removal are in commands, whether one server answers or many.

import type { Redis } from 'ioredis'
import { AppError } from '../../errors.ts'
import { keptAside, plainTag, plainValue, valueBeside, valueKey, viewKey } from '../keys.ts'
import { pack, packedValue } from '../packed.ts'
import type { OnlineEntry, OnlineStore, ReadAnswer, ReadRequest, WriteEntry } from '../port.ts'
import { examineRedis } from './examine.ts'
import { translateFailure } from './failure.ts'
import type { RedisScripts } from './scripts.ts'

/** A value as it is read: an entry, or the text of what is none. */
export type Stored = OnlineEntry | string

/** Keys that begin alike. */
export interface KeyGroup {
  prefix: string
  rests: readonly string[]
}

/** What one server and a cluster do differently. */
export interface RedisConnection {
  /**
   * In the keys' order, in one round trip to each server that holds one; null when one of these servers has
   * lost acknowledged writes (see marks.ts).
   */
  readMany(keys: readonly KeyGroup[]): Promise<(Stored | null)[] | null>
  /** The same, as they are stored. */
  getMany(keys: readonly string[]): Promise<(Buffer | null)[] | null>
  /** The positions of the keys, in groups that one server holds. */
  parts(keys: readonly string[]): readonly (readonly number[])[]
  remove(key: string): Promise<unknown>
  /** Entries and watermarks that they write are held as held.ts says. */
  scripts: RedisScripts
  /** Every server that holds keys, to be scanned. */
  nodes(): Promise<readonly Redis[]>
  ping(): Promise<void>
  close(): Promise<void>
}

// Limits of one command, so that the server is never busy with one for long, nor this process with its answer.
const keysPerRead = 10_000
const entriesPerWrite = 250
const bytesPerWrite = 1_000_000
const keysPerScan = 1000
/** Pages of keys that are looked through while the next is asked for. */
const removalsAtOnce = 3
/** Writes sent before the first is answered. */
const writesAtOnce = 4

/** Redis keeps a time to live as a date; a later one (in the year 6429) is as good as none. */
const longestLifeMs = 2 ** 47

// Keys: `fg:e:` view `:` value → the packed entry. `fg:f:` view → the watermark. `fg:m:` number → a mark of a server
// (marks.ts). None has a hash tag of its own making,
// so a cluster spreads a view over all its slots.
export const keyPrefix = 'fg:e:'

function entryPrefix(view: string): string {
  return `${keyPrefix}${viewKey(view)}:`
}

const watermarkPrefix = 'fg:f:'

export function watermarkKey(view: string): string {
  return watermarkPrefix + viewKey(view)
}

export function createStoreOnRedis(name: string, connection: RedisConnection): OnlineStore {
  let closing: Promise<void> | undefined

  async function run<T>(doing: string, action: () => Promise<T>): Promise<T> {
    if (closing) throw new AppError('ONLINE_STORE_UNAVAILABLE', `The online store is closed: ${doing} failed`)
    try {
      return await action()
    } catch (error) {
      throw translateFailure(doing, error)
    }
  }

  return {
    name,
    read: (requests) => run('Reading', () => readAll(connection, requests)),
    write: (view, entries) => run('Writing', () => writeAll(connection, view, entries)),
    raiseWatermark: (view, version) =>
      run(
        'Raising a watermark',
        async () => void (await connection.scripts.raiseWatermark(watermarkKey(view), `${version}`)),
      ),
    removeBelow: (view, version) => run('Removing entries', () => removeBelow(connection, view, version)),
    removeDroppable: (view, keys) =>
      run('Dropping entries', () => removeDroppable(connection, entryPrefix(view), keys)),
    // The watermark goes last: were this cut short, what is left would still be behind it.
    dropView: (view) =>
      run('Dropping a view', async () => {
        await removeBelow(connection, view, Number.MAX_VALUE)
        await connection.remove(watermarkKey(view))
      }),
    sample: (view, count) => run('Sampling', () => sample(connection, view, count)),
    ping: () => run('A ping', () => connection.ping()),
    examine: () => run('Examining', async () => examineRedis(await connection.nodes())),
    close() {
      closing ??= connection.close()
      return closing
    },
  }
}

async function readAll(connection: RedisConnection, requests: readonly ReadRequest[]): Promise<ReadAnswer[]> {
  // Requests that share a view share the read of its watermark, which comes before the entries.
  const watermarkAt = new Map<string, number>()
  for (const { view } of requests) if (!watermarkAt.has(view)) watermarkAt.set(view, watermarkAt.size)
  const watermarks = { prefix: watermarkPrefix, rests: [...watermarkAt.keys()].map(viewKey) }
  const found = await readInParts(connection, [watermarks, ...requests.map(entryKeys)])
  let at = watermarkAt.size
  return requests.map(({ view, values }) => {
    const entries: (OnlineEntry | null)[] = []
    for (const to = at + values.length; at < to; at++) entries.push(entryOf(found[at] ?? null))
    return { watermark: Number(found[watermarkAt.get(view) ?? 0] ?? 0), entries }
  })
}

function entryKeys({ view, values }: ReadRequest): KeyGroup {
  const prefix = entryPrefix(view)
  if (values.some(keptAside)) return { prefix, rests: values.map(valueKey) }
  return { prefix: prefix + plainTag, rests: values }
}

function entryOf(stored: Stored | null): OnlineEntry | null {
  return typeof stored === 'string' ? null : stored
}

/** All null when a server has lost writes: a watermark may be among what is lost, and then no entry can be believed. */
async function readInParts(
  connection: RedisConnection,
  groups: readonly KeyGroup[],
): Promise<(Stored | null)[]> {
  const keys = groups.reduce((count, { rests }) => count + rests.length, 0)
  if (keys === 0) return []
  if (keys <= keysPerRead) {
    return (await connection.readMany(groups)) ?? new Array<null>(keys).fill(null)
  }
  const found: (Stored | null)[] = []
  for (const part of partsOf(groups)) {
    const values = await connection.readMany(part)
    if (values === null) return new Array<null>(keys).fill(null)
    for (const value of values) found.push(value)
  }
  return found
}

/** The same keys in the same order, so many at most in each part. */
function* partsOf(groups: readonly KeyGroup[]): Generator<readonly KeyGroup[]> {
  let part: KeyGroup[] = []
  let room = keysPerRead
  for (const { prefix, rests } of groups) {
    for (let from = 0; from < rests.length; ) {
      const some = rests.slice(from, from + room)
      part.push({ prefix, rests: some })
      from += some.length
      room -= some.length
      if (room > 0) continue
      yield part
      part = []
      room = keysPerRead
    }
  }
  if (part.length > 0) yield part
}

async function writeAll(connection: RedisConnection, view: string, entries: readonly WriteEntry[]) {
  const prefix = entryPrefix(view)
  const keys = entries.map(({ value }) => prefix + valueKey(value))
  const taken = new Array<boolean>(entries.length).fill(false)
  const chunks = writeChunks(connection, keys, entries)

  // Packed only when sent, so that a large write is never in memory twice. Chunks leave in order on a connection.
  async function sendNext() {
    for (const positions of chunks) {
      const args = positions.flatMap((i) => (entries[i] ? writeArgs(entries[i]) : []))
      const chunkKeys = positions.map((i) => keys[i] ?? '')
      const marks = await connection.scripts.writeEntries(chunkKeys, args)
      for (const [k, i] of positions.entries()) taken[i] = marks[k] === '1'
    }
  }

  await Promise.all(Array.from({ length: writesAtOnce }, sendNext))
  return taken
}

function writeArgs(entry: WriteEntry): [Buffer, string] {
  const lifeMs = entry.expiresInMs ?? Number.POSITIVE_INFINITY
  const packed = pack(entry, { value: valueBeside(entry), droppable: entry.droppable ?? false })
  return [packed, lifeMs < longestLifeMs ? `${Math.max(1, Math.ceil(lifeMs))}` : '0']
}

/** Positions of the entries of one command after the other. */
function* writeChunks(connection: RedisConnection, keys: readonly string[], entries: readonly WriteEntry[]) {
  for (const part of connection.parts(keys)) {
    let chunk: number[] = []
    let bytes = 0
    for (const i of part) {
      chunk.push(i)
      bytes += entries[i]?.rows.length ?? 0
      if (chunk.length >= entriesPerWrite || bytes >= bytesPerWrite) {
        yield chunk
        chunk = []
        bytes = 0
      }
    }
    if (chunk.length > 0) yield chunk
  }
}

async function removeBelow(connection: RedisConnection, view: string, version: number): Promise<number> {
  let removed = 0
  const removing: Promise<void>[] = []

  async function remove(keys: readonly string[]) {
    for (const part of connection.parts(keys)) {
      const partKeys = part.map((i) => keys[i] ?? '')
      const count = await connection.scripts.removeEntries(partKeys, `${version}`)
      removed += count
    }
  }

  for (const node of await connection.nodes()) {
    for await (const keys of scan(node, view, '0')) {
      const removal = remove(keys)
      // Heard of when its turn comes.
      removal.catch(() => undefined)
      removing.push(removal)
      if (removing.length >= removalsAtOnce) await removing.shift()
    }
  }
  await Promise.all(removing)
  return removed
}

async function removeDroppable(connection: RedisConnection, prefix: string, valueKeys: readonly string[]) {
  for (let from = 0; from < valueKeys.length; from += keysPerScan) {
    const some = valueKeys.slice(from, from + keysPerScan).map((key) => prefix + key)
    for (const part of connection.parts(some))
      await connection.scripts.removeDroppable(part.map((i) => some[i] ?? ''))
  }
}

/** The view's keys on one server, a few for each command, from a cursor to the end of its round. */
async function* scan(node: Redis, view: string, from: string) {
  const pattern = `${entryPrefix(view)}*`
  let cursor = from
  do {
    const [next, keys] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', keysPerScan)
    if (keys.length > 0) yield keys
    cursor = next
  } while (cursor !== '0')
}

/** From a random place in the server's table of keys on, and then from its beginning: any cursor is a valid one. */
async function* scanFromAnywhere(node: Redis, view: string) {
  yield* scan(node, view, `${Math.floor(Math.random() * 2 ** 32)}`)
  yield* scan(node, view, '0')
}

async function sample(connection: RedisConnection, view: string, count: number): Promise<string[]> {
  const prefix = entryPrefix(view)
  const found = new Set<string>()
  for (const node of await connection.nodes()) {
    const wanted = found.size + count
    for await (const keys of count > 0 ? scanFromAnywhere(node, view) : []) {
      for (const key of keys) found.add(key)
      if (found.size >= wanted) break
    }
  }
  const keys = shuffled([...found]).slice(0, count)
  const values = keys.map((key) => plainValue(key.slice(prefix.length)))
  const aside = await valuesKeptAside(
    connection,
    keys.filter((_, i) => values[i] === null),
  )
  return [...values.filter((value) => value !== null), ...aside]
}

/** Entries whose keys are hashes hold their values themselves. */
async function valuesKeptAside(connection: RedisConnection, keys: readonly string[]): Promise<string[]> {
  const values: string[] = []
  for (let from = 0; from < keys.length; from += keysPerScan) {
    for (const packed of (await connection.getMany(keys.slice(from, from + keysPerScan))) ?? []) {
      const value = packed && packedValue(packed)
      if (value !== null) values.push(value)
    }
  }
  return values
}

function shuffled<T>(items: T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}
