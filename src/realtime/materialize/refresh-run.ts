// One refresh in full: the whole result, streamed in the key's order, takes the place of all that a view holds online.

import type { Logger } from 'pino'
import type { RefreshProgress } from '../../catalog/view-refreshes.ts'
import type { View } from '../../features/views.ts'
import type { OnlineStore, WriteEntry } from '../../online/port.ts'
import type { Row } from '../../values/columns.ts'
import type { ScanResult, Warehouse } from '../../warehouse/port.ts'
import { type Compute, type Groups, placesOfKey, requestOf } from '../compute.ts'
import { toWriteEntry } from '../entry.ts'
import type { OnlineAccess } from '../online-access.ts'

/** Groups are computed and written in batches of about so many rows, of wide rows fewer. */
const rowsPerBatch = 2000
const bytesPerBatch = 2_000_000
/** Batches that are on their way to the store while the next are read and computed: what bounds the memory. */
const writesAtOnce = 4
/** How often its progress is kept. */
const reportEveryMs = 1000

export interface RefreshRun {
  view: View
  /** What an earlier process had done. */
  from: RefreshProgress | null
  /** Keeps the progress; false when the refresh is another process's by now. */
  advance: (progress: RefreshProgress) => Promise<boolean>
  /** False once the view is removed. */
  isLive: () => boolean
  signal: AbortSignal
}

/** The whole result as of a moment, and what of it is online already. */
interface Opened {
  scan: ScanResult
  from: RefreshProgress
  computedAtMs: number
}

/** Another process has taken the refresh: this one has nothing more to do with it. */
export class TakenOver extends Error {
  override readonly name = 'TakenOver'
}

export function createRefreshRunner(options: {
  warehouse: Warehouse
  online: OnlineStore
  store: OnlineAccess
  compute: Compute
  log: Logger
}) {
  const { warehouse, online, store, compute, log } = options

  /** Where the warehouse stands as it stood, an earlier process's work is gone on with, else it is begun again. */
  async function open({ view, from, advance, signal }: RefreshRun): Promise<Opened> {
    const computedAtMs = Date.now()
    const request = { ...requestOf(view, computedAtMs), signal }
    const facts = { view: view.record.name, rows: from?.rows }
    const version = await warehouse.version()
    if (from !== null && from.position !== null && from.version === version) {
      const scan = await warehouse.scan({ ...request, after: view.key.parse(from.position).values })
      if (scan.version === version) {
        log.info(facts, 'A refresh in full goes on where it was cut short')
        return { scan, from, computedAtMs }
      }
      for await (const _ of scan.batches) break
    }
    if (from?.position != null)
      log.info(facts, 'A refresh in full that was cut short begins again: the warehouse has moved on')
    const begun = { version, position: null, rows: 0, startedAt: new Date() }
    if (!(await advance(begun))) throw new TakenOver()
    const scan = await warehouse.scan(request)
    return { scan, from: { ...begun, version: scan.version }, computedAtMs }
  }

  async function run(refresh: RefreshRun): Promise<RefreshProgress> {
    const { view, advance } = refresh
    const opened = await open(refresh)
    const { scan, from } = opened
    const isDue = createReporter(view, from)
    let progress = from
    try {
      for await (progress of bringOnline(refresh, opened)) {
        if (isDue(progress) && !(await advance(progress))) throw new TakenOver()
      }
    } catch (error) {
      // Whoever tries again goes on from here; a process that is killed has told so a second ago.
      if (!(error instanceof TakenOver)) await advance(progress).catch(() => undefined)
      throw error
    }
    // Whatever older snapshots still write is behind from here on; then what is gone from the result goes from the store.
    await store.raiseWatermark(view.id, scan.version)
    await online.removeBelow(view.id, scan.version)
    return progress
  }

  /** How far it has come, after each batch that it has taken. */
  async function* bringOnline({ view, isLive, signal }: RefreshRun, { scan, from, computedAtMs }: Opened) {
    const { version, columns } = scan
    const writes = createWriteQueue(writesAtOnce)
    let progress = from
    let rowsAtOnce = rowsPerBatch
    const source = { view, places: placesOfKey(columns, view), rowsAtOnce: () => rowsAtOnce }
    for await (const batch of grouped(source, scan.batches)) {
      signal.throwIfAborted()
      if (!isLive()) return
      const outcomes = await compute.ofGroups(view, { columns, groups: batch.byText, computedAtMs }, signal)
      const entries: WriteEntry[] = []
      let bytes = 1
      for (const [text, outcome] of outcomes) {
        const entry = toWriteEntry(view, text, outcome, { version, computedAtMs })
        entries.push(entry)
        bytes += entry.rows.length
      }
      rowsAtOnce = Math.min(rowsPerBatch, (bytesPerBatch / bytes) * batch.rows)
      await writes.add(store.write(view.id, entries), () => {
        progress = { ...progress, position: batch.lastText, rows: progress.rows + batch.rows }
      })
      yield progress
    }
    await writes.all()
    yield progress
  }

  function createReporter(view: View, { rows: rowsBefore }: RefreshProgress) {
    const startedAtMs = performance.now()
    let reportedAtMs = startedAtMs
    return ({ rows }: RefreshProgress): boolean => {
      const nowMs = performance.now()
      if (nowMs - reportedAtMs < reportEveryMs) return false
      reportedAtMs = nowMs
      const rowsPerSecond = Math.round(((rows - rowsBefore) * 1000) / (nowMs - startedAtMs))
      log.info({ view: view.record.name, rows, rowsPerSecond }, 'Refreshing a feature view in full')
      return true
    }
  }

  return run
}

/** Writes that run at once, so many at most; each counts as done once all before it are. */
function createWriteQueue(atOnce: number) {
  const waiting: { write: Promise<void>; done: () => void }[] = []

  async function settleFirst() {
    const first = waiting.shift()
    await first?.write
    first?.done()
  }

  return {
    /** Resolves once there is room for one more. */
    async add(write: Promise<void>, done: () => void) {
      // Whoever waits for an earlier one hears of a failure there first.
      write.catch(() => undefined)
      waiting.push({ write, done })
      while (waiting.length >= atOnce) await settleFirst()
    },
    async all() {
      while (waiting.length > 0) await settleFirst()
    },
  }
}

interface Batch {
  byText: Groups
  lastText: string
  rows: number
}

/** The rows of one index value stand together: whole groups leave in batches, no more than one batch and one group are held. */
async function* grouped(
  { view: { key }, places, rowsAtOnce }: { view: View; places: readonly number[]; rowsAtOnce: () => number },
  batches: AsyncIterable<readonly Row[]>,
): AsyncGenerator<Batch> {
  let byText = new Map<string, Row[]>()
  let held = 0
  let lastText = ''
  let last: Row = []
  let group: Row[] | undefined
  for await (const rows of batches) {
    for (const row of rows) {
      if (group === undefined || places.some((place) => row[place] !== last[place])) {
        const text = key.textOfRow(row, places)
        if (text === null) continue
        if (held >= rowsAtOnce() && text !== lastText) {
          yield { byText, lastText, rows: held }
          byText = new Map()
          held = 0
        }
        last = row
        lastText = text
        group = byText.get(text)
        if (group === undefined) {
          group = []
          byText.set(text, group)
        }
      }
      group.push(row)
      held++
    }
  }
  if (byText.size > 0) yield { byText, lastText, rows: held }
}
