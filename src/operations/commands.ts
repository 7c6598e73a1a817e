// What commands on the same machine may ask of the running gateway: copies of its embedded stores, how it is, API keys.

import { join } from 'node:path'
import type { KeyDesk } from '../access/key-desk.ts'
import { answerForKeys } from '../access/remote-key-desk.ts'
import type { Catalog } from '../catalog/open.ts'
import { messageOf } from '../errors.ts'
import { freshnessOf } from '../features/freshness.ts'
import type { OnlineStore } from '../online/port.ts'
import type { Answers } from '../processes/command-socket.ts'
import type { Realtime } from '../realtime/service.ts'
import type { TypedState } from '../schema/typed/entries.ts'
import { fail, type Notice, ok, warn } from '../telemetry/notices.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { parts } from './backup/backup.ts'

interface Running {
  catalog: Catalog
  warehouse: Warehouse
  online: OnlineStore
  realtime: Realtime
  typed: TypedState
}

/** Views whose parity is sampled, the newest first, and index values of each. */
const maxViews = 20
const sampled = 10

export function createAnswers({ keyDesk, ...running }: Running & { keyDesk: KeyDesk }): Answers {
  return {
    copyStores: ({ folder }) => copyStores(running, String(folder)),
    examine: () => examine(running),
    ...answerForKeys(keyDesk),
  }
}

/** As of one moment between two appends. */
async function copyStores({ catalog, warehouse }: Running, folder: string): Promise<void> {
  const copyCatalog = async () => catalog.copyTo?.(join(folder, parts.catalog))
  if (warehouse.copyTo === undefined) return copyCatalog()
  await warehouse.copyTo(join(folder, parts.warehouse), copyCatalog)
}

async function examine(running: Running): Promise<Notice[]> {
  const { catalog, warehouse, online } = running
  const found = await Promise.all([
    checkAnswer('the catalog', catalog),
    checkAnswer('the warehouse', warehouse),
    checkAnswer('the online store', online),
  ])
  const all = (await catalog.featureViews.all()).toReversed()
  for (const view of all.slice(0, maxViews)) found.push(await checkView(running, view))
  found.push(...(await checkFreshness(running, all)))
  for (const { entry, feature, problem, cure } of running.typed.problems())
    found.push(
      warn(`${entry}${feature === null ? '' : `, ${feature}`} is not in the typed schema: ${problem}`, cure),
    )
  if (all.length === 0) found.push(ok('it has no feature views'))
  return found
}

async function checkAnswer(what: string, store: { ping(): Promise<void> }): Promise<Notice> {
  const askedMs = performance.now()
  try {
    await store.ping()
    return ok(`${what} answers it in ${Math.ceil(performance.now() - askedMs)} ms`)
  } catch (error) {
    return fail(
      `${what} does not answer it: ${messageOf(error)}`,
      'look at the store, and at the gateway’s log',
    )
  }
}

/** Views that nothing keeps in step with their tables, or whose tables have changed under them. */
async function checkFreshness(
  { realtime }: Running,
  views: Awaited<ReturnType<Catalog['featureViews']['all']>>,
): Promise<Notice[]> {
  try {
    const keeperOf = await realtime.keepers()
    const noted = views.flatMap((view) => {
      const { note } = freshnessOf(view, keeperOf, Date.now())
      return note === null || view.refresh === 'MANUAL' ? [] : [{ name: view.name, note }]
    })
    const left = noted.length - maxViews
    return [
      ...noted.slice(0, maxViews).map(({ name, note }) => warn(`view ${name}: ${note}`, keepInStep)),
      ...(left > 0 ? [warn(`${left} more views are not kept in step`, keepInStep)] : []),
    ]
  } catch (error) {
    return [fail(`what keeps views in step cannot be told: ${messageOf(error)}`, 'look at the warehouse')]
  }
}

const keepInStep = 'see FeatureView.freshness: each view says what keeps it, and how far behind it may be'

async function checkView(
  { catalog, online, realtime }: Running,
  { id, name, refresh }: Awaited<ReturnType<Catalog['featureViews']['all']>>[number],
): Promise<Notice> {
  try {
    if (refresh === 'MANUAL') return ok(`view ${name} is refreshed by hand`)
    const { sampled: looked, mismatched, missing, extra } = await realtime.parity(id, sampled)
    const differing = mismatched + missing + extra
    if (differing > 0)
      return fail(
        `view ${name} serves other rows than training for ${differing} of ${looked} index values`,
        'the gateway mends what it finds so, or says in its log what is wrong with the ETL; look again in a while',
      )
    const { refreshedVersion } = await catalog.featureViews.byId(id)
    const [answer] = await online.read([{ view: id, values: [] }])
    const isBehind = refresh === 'FULL' && (answer?.watermark ?? 0) > (refreshedVersion ?? 0)
    if (isBehind)
      return warn(
        `view ${name} is behind: its lookups read through to the warehouse until its refresh in full is through`,
        'wait; if it stays so, the log says why its refresh fails',
      )
    return ok(`view ${name} is current, and equals training for ${looked} index values`)
  } catch (error) {
    return fail(
      `view ${name} cannot be examined: ${messageOf(error)}`,
      'look at its query and ETL, and at the gateway’s log',
    )
  }
}
