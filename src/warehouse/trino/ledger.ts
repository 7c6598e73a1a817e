// The version of the Trino warehouse, and reads of one version: nothing may have been appended between their beginning and their end.

import { createTurns } from '../../concurrency/turns.ts'
import { unlessAborted } from '../../concurrency/unless-aborted.ts'
import { AppError } from '../../errors.ts'
import { quoteText } from '../../sql/sql-text.ts'
import { appendColumn, type TrinoNames } from './schema.ts'
import type { TrinoSession } from './session.ts'

export interface Ledger {
  /** How many appends were committed: no fewer than when it was asked. */
  version(signal?: AbortSignal): Promise<number>
  /** One append at a time in this process. */
  inTurn<T>(work: () => Promise<T>): Promise<T>
  /**
   * Reads at one version. `read` is given a check to make once it has seen all that it reads: that throws when something
   * was appended since the beginning, and the read is done again; from the third time on in a turn of reads, between
   * which this process appends nothing.
   */
  atOneVersion<T>(read: (check: () => Promise<number>) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** The same for a long read of these tables of appended rows: what is appended to others meanwhile does not count. */
  whileUnchanged<T>(
    rowsTables: readonly string[],
    read: (check: () => Promise<void>) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>
}

/** Something was appended meanwhile. */
export class Disturbed extends Error {
  override readonly name = 'Disturbed'
}

const freeReads = 2
const maxReads = 20

/** Of ids in one statement; it may have a million characters. */
const maxIds = 5000

export function createLedger(session: TrinoSession, { ledger, own }: TrinoNames): Ledger {
  const turns = createTurns()
  /** What the ledger held at some moment before now. It only grows: a later read that gives the same saw no change. */
  let known: number | null = null
  let running: Promise<number> | null = null
  let following: Promise<number> | null = null

  async function read(): Promise<number> {
    const { rows } = await session.query('version', `SELECT count(*) FROM ${ledger}`)
    const count = Number(rows[0]?.[0])
    known = count
    return count
  }

  function start(): Promise<number> {
    const started = read().finally(() => {
      running = null
    })
    running = started
    return started
  }

  /** One under way may have looked too early: all who ask meanwhile share the next. */
  function readShared(): Promise<number> {
    if (running === null) return start()
    following ??= running
      .catch(() => undefined)
      .then(() => {
        following = null
        return start()
      })
    return following
  }

  const version = (signal?: AbortSignal) => unlessAborted(readShared(), signal)

  async function readOnce<T>(
    work: (check: () => Promise<number>) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted()
    const before = known ?? (await version(signal))
    return work(async () => {
      const after = await version(signal)
      if (after !== before) throw new Disturbed()
      return after
    })
  }

  async function readEntries(signal: AbortSignal | undefined): Promise<Set<string>> {
    const { rows } = await session.query('version', `SELECT ${appendColumn} FROM ${ledger}`, { signal })
    return new Set(rows.map(([id]) => String(id)))
  }

  /** Whether one of the tables holds rows of these appends. */
  async function holdRows(
    rowsTables: readonly string[],
    ids: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    if (ids.length === 0) return false
    if (ids.length > maxIds) return true
    const among = `${appendColumn} IN (${ids.map(quoteText).join(', ')})`
    for (const table of rowsTables) {
      const asked = `SELECT 1 FROM ${own(table)} WHERE ${among} LIMIT 1`
      if ((await session.query('version', asked, { signal })).rows.length > 0) return true
    }
    return false
  }

  async function readUnchanged<T>(
    rowsTables: readonly string[],
    work: (check: () => Promise<void>) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted()
    const before = await readEntries(signal)
    return work(async () => {
      const entries = [...(await readEntries(signal))].filter((id) => !before.has(id))
      if (await holdRows(rowsTables, entries, signal)) throw new Disturbed()
    })
  }

  /** Who gives up while waiting does not begin. */
  async function inTurnOfReads<T>(read: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const begun = Promise.withResolvers<void>()
    const done = turns.together(() => {
      begun.resolve()
      return read()
    })
    done.catch(() => undefined)
    await unlessAborted(begun.promise, signal)
    return done
  }

  async function untilUndisturbed<T>(once: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (let count = 0; count < maxReads; count++) {
      try {
        return await (count < freeReads ? once() : inTurnOfReads(once, signal))
      } catch (error) {
        if (!(error instanceof Disturbed)) throw error
      }
    }
    throw new AppError(
      'WAREHOUSE_FAILED',
      `Other gateways appended rows during each of ${maxReads} reads; try again when they publish less.`,
    )
  }

  return {
    version,
    inTurn: turns.alone,
    atOneVersion: (work, signal) => untilUndisturbed(() => readOnce(work, signal), signal),
    whileUnchanged: (rowsTables, work, signal) =>
      untilUndisturbed(() => readUnchanged(rowsTables, work, signal), signal),
  }
}
