// The online port: where each feature view's rows wait, by index value. test/contract/online.ts holds every adapter to it.

import type { Notice } from '../telemetry/notices.ts'
import type { ByteText } from '../values/byte-text.ts'

/** One feature view's part of a read. */
export interface ReadRequest {
  view: string
  /** Index values in their canonical text; any Unicode, any length, the empty string too. */
  values: readonly string[]
}

interface Computed {
  /** The warehouse's version that the rows were computed from. */
  version: number
  /** When they were computed, in milliseconds since the epoch. */
  computedAtMs: number
}

export interface OnlineEntry extends Computed {
  /** The JSON text of an array of row objects, in UTF-8; `[]` says that the value is known to have none. */
  rows: ByteText
}

export interface ReadAnswer {
  /** Entries of a lower version are behind and must not be served. 0 unless raised. */
  watermark: number
  /** In the order of the request's values, one each; null where nothing is stored. */
  entries: readonly (OnlineEntry | null)[]
}

export interface WriteEntry extends Computed {
  value: string
  /** As text, or as its UTF-8. */
  rows: Buffer | string
  /** The entry may be forgotten after this; null keeps it. */
  expiresInMs: number | null
  /** That it has no rows is worth remembering, but not needed: `removeDroppable` may take it away at any time. */
  droppable?: boolean
}

/**
 * What every online store does.
 *
 * - `read` answers any number of requests in one round trip (in a cluster: one to each node that holds a key), with
 *   one answer for each request, in order. A missing value is null, never an error.
 * - `write` keeps, for each value on its own and atomically, the entry with the higher version: an entry of an older
 *   version than the stored one is left out, one of the same version replaces it. It resolves to which were taken, in order.
 * - A droppable entry that takes the place of one that is not is kept like that one: what fends off older versions stays.
 *   `removeDroppable` deletes those entries that are droppable still, by their keys as keys.ts makes them.
 * - `raiseWatermark` lifts a view's watermark to `version` and never lowers it; a read that begins after it resolves sees it.
 * - `removeBelow` deletes a view's entries of a version lower than the given one and resolves to how many went.
 *   Entries written meanwhile at that version or a higher one stay. `dropView` forgets the view whole, its watermark too.
 * - A write that has resolved survives a kill of this process (an embedded store) or is held by the server.
 * - A store that cannot be reached rejects with ONLINE_STORE_UNAVAILABLE within a bounded time; nothing hangs.
 *
 * Not here: what a value means, whether an entry is stale, reading through to the warehouse (realtime).
 */
export interface OnlineStore {
  /** The adapter's name, for messages and metrics: `lmdb`, `redis`. */
  readonly name: string
  read(requests: readonly ReadRequest[]): Promise<readonly ReadAnswer[]>
  write(view: string, entries: readonly WriteEntry[]): Promise<readonly boolean[]>
  raiseWatermark(view: string, version: number): Promise<void>
  removeBelow(view: string, version: number): Promise<number>
  removeDroppable(view: string, valueKeys: readonly string[]): Promise<void>
  dropView(view: string): Promise<void>
  /**
   * A sample of at most `count` index values that have an entry, in no order. Long values without rows are kept by
   * their hash alone, and are not among them.
   */
  sample(view: string, count: number): Promise<readonly string[]>
  ping(): Promise<void>
  /** For the doctor: how the servers are, and whether their settings keep what is stored there. */
  examine?(): Promise<readonly Notice[]>
  close(): Promise<void>
}
