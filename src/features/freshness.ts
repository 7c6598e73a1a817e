// What keeps a feature view in step with its tables, and how far behind them its answers may be: told by the view, in the log, by the doctor.

import type { FeatureViewRecord } from '../catalog/feature-views.ts'
import type { Catalog } from '../catalog/open.ts'
import { qualifiedName } from '../sql/sql-text.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { isFollowed, qualified } from './followed.ts'

export const freshnessSources = ['GATEWAY', 'SCHEDULE', 'NOTICE', 'SIGNS', 'NOTHING'] as const
export type FreshnessSource = (typeof freshnessSources)[number]

export interface Freshness {
  keptBy: readonly FreshnessSource[]
  /** Null where nothing bounds it. */
  behindSeconds: number | null
  /** What is wrong with it, or left to people. */
  note: string | null
}

/** Signs of tables are looked at this often. */
export const signsEveryMs = 2000
/** Of a view that reads a table whose changes nothing tells, unless it is made with another. */
export const unkeptTtlSeconds = 300

type Keeper = Exclude<FreshnessSource, 'SCHEDULE' | 'NOTHING'>

/** By what the changes of a table come to be known; null where nothing tells them. */
export type KeeperOf = (table: string) => Keeper | null

type Kept = Pick<
  FeatureViewRecord,
  'tables' | 'refresh' | 'refreshEvery' | 'refreshedAt' | 'ttlSeconds' | 'driftNote'
>

export async function findKeepers(options: {
  warehouse: Pick<Warehouse, 'tables'>
  tableNotices: Pick<Catalog['tableNotices'], 'all'>
}): Promise<KeeperOf> {
  const [tables, notices] = await Promise.all([options.warehouse.tables(), options.tableNotices.all()])
  const told = new Map(tables.map((table) => [qualified(qualifiedName(table)), table.keptBy]))
  const noticed = new Set([...notices.keys()].map(qualified))
  return (table) => {
    const name = qualified(table)
    return told.get(name) ?? (noticed.has(name) ? 'NOTICE' : isFollowed(name) ? 'GATEWAY' : null)
  }
}

/** Those of a view's tables whose changes nothing tells. */
export function unkeptTables(tables: readonly string[], keeperOf: KeeperOf): string[] {
  return tables.filter((table) => keeperOf(table) === null)
}

export function freshnessOf(view: Kept, keeperOf: KeeperOf, nowMs: number): Freshness {
  const keepers = view.tables.map(keeperOf)
  const isByHand = view.refresh === 'MANUAL'
  const sources = new Set<FreshnessSource>(isByHand ? [] : keepers.filter((keeper) => keeper !== null))
  if (view.refreshEvery !== null) sources.add('SCHEDULE')
  else if (isByHand || keepers.includes(null)) sources.add('NOTHING')
  const bounds = keepers.map((keeper) => boundOf(isByHand ? null : keeper, view, nowMs))
  const behind = Math.min(view.ttlSeconds ?? Number.POSITIVE_INFINITY, Math.max(0, ...bounds))
  return {
    keptBy: freshnessSources.filter((source) => sources.has(source)),
    behindSeconds: Number.isFinite(behind) ? behind : null,
    note: noteOf(view, keeperOf),
  }
}

/** How many seconds what a table held may be served after it has changed. */
function boundOf(keeper: Keeper | null, view: Kept, nowMs: number): number {
  if (keeper === 'GATEWAY') return 0
  if (keeper === 'SIGNS') return signsEveryMs / 1000
  const { refreshEvery, refreshedAt } = view
  if (refreshEvery === null || refreshedAt === null) return Number.POSITIVE_INFINITY
  return Math.max(0, (nowMs - refreshedAt.getTime()) / 1000)
}

function noteOf({ tables, refresh, refreshEvery, ttlSeconds, driftNote }: Kept, keeperOf: KeeperOf) {
  if (driftNote !== null) return driftNote
  if (refreshEvery !== null) return null
  if (refresh === 'MANUAL')
    return 'It is refreshed by hand alone (refreshFeatureView): answers from before a known change of its tables say STALE.'
  const unkept = unkeptTables(tables, keeperOf)
  if (unkept.length === 0) return null
  const answers =
    ttlSeconds === null ? 'its answers may be of any age' : `answers older than ${ttlSeconds} s say STALE`
  return `Nothing tells when ${unkept.join(', ')} ${unkept.length === 1 ? 'changes' : 'change'}: ${answers}. Give it refreshEvery, or have whoever writes there call tableChanged.`
}
