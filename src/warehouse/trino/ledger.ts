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
  /** Reads the ledger as it stands at the beginning, whatever is appended meanwhile. */
  atPin<T>(read: (pin: Pin) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** The ledger as it stands, for several reads. */
  pin(signal?: AbortSignal): Promise<Pin>
}

export interface Pin {
  version: number
  /** A SELECT of the ledger's entries of that moment. */
  entries: string
  /** The version, once all is read: throws when there is an entry among those that are older than the listed ones. */
  check(): Promise<number>
}

/** Something was appended meanwhile. */
export class Disturbed extends Error {
  override readonly name = 'Disturbed'
}

const freeReads = 2
const maxReads = 20

/** The newest entries are listed one by one; all before them are known by their number. An append that takes as long as so many others is read again. */
const maxListed = 1000

export function createLedger(session: TrinoSession, { ledger }: Pick<TrinoNames, 'ledger'>): Ledger {
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

  /** Entries bear the time at which their append began. */
  async function pin(signal?: AbortSignal): Promise<Pin> {
    signal?.throwIfAborted()
    const { rows } = await session.query(
      'version',
      `SELECT ${appendColumn}, count(*) OVER () FROM ${ledger} ORDER BY ${appendColumn} DESC LIMIT ${maxListed}`,
      { signal },
    )
    const ids = rows.map(([id]) => quoteText(String(id)))
    const count = Number(rows[0]?.[1] ?? 0)
    const listed = ids.length === 0 ? 'false' : `${appendColumn} IN (${ids.join(', ')})`
    const older = `${appendColumn} < ${ids.at(-1)}`
    const olderCount = count - ids.length
    return {
      version: count,
      entries: `SELECT * FROM ${ledger} WHERE ${olderCount === 0 ? listed : `${older} OR ${listed}`}`,
      async check() {
        if (olderCount === 0) return count
        const asked = `SELECT count(*) FROM ${ledger} WHERE ${older}`
        const now = (await session.query('version', asked, { signal })).rows[0]?.[0]
        if (Number(now) !== olderCount) throw new Disturbed()
        return count
      },
    }
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
    pin,
    inTurn: turns.alone,
    atOneVersion: (work, signal) => untilUndisturbed(() => readOnce(work, signal), signal),
    atPin: (work, signal) => untilUndisturbed(async () => work(await pin(signal)), signal),
  }
}
