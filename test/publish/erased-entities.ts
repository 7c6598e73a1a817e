// Tables of several keys with an entity's rows in them, and views of every policy over them: what erasures are tried on.

import type { Gateway } from './gateway.ts'

export const tables = ['orders', 'clicks', 'visits'] as const

/** What is served of the tables, by the entity's own key and by others. */
const views = [
  {
    name: 'own by key',
    refresh: 'BY_KEY',
    key: 'user_id',
    sql: 'SELECT user_id, count(*) AS n, sum(total) AS total FROM feature_store.orders GROUP BY user_id',
  },
  {
    name: 'other by key',
    refresh: 'BY_KEY',
    key: 'shop',
    sql: 'SELECT shop, count(DISTINCT user_id) AS users FROM feature_store.orders GROUP BY shop',
  },
  {
    name: 'own in full',
    refresh: 'FULL',
    key: 'user_id',
    sql: 'SELECT user_id, dense_rank() OVER (ORDER BY page) AS place, page FROM feature_store.clicks',
  },
  {
    name: 'other in full',
    refresh: 'FULL',
    key: 'page',
    sql: 'SELECT page, count(*) AS n, rank() OVER (ORDER BY count(*)) AS place FROM feature_store.clicks GROUP BY page',
  },
  {
    name: 'own by hand',
    refresh: 'MANUAL',
    key: 'user_id',
    sql: 'SELECT user_id, page FROM feature_store.visits',
  },
  {
    name: 'other by hand',
    refresh: 'MANUAL',
    key: 'page',
    sql: 'SELECT page, user_id FROM feature_store.visits',
  },
] as const

export async function makeTables({ warehouse }: Pick<Gateway, 'warehouse'>) {
  const text = (name: string) => ({ name, type: 'STRING', nullable: true }) as const
  const whole = (name: string) => ({ name, type: 'INT32', nullable: true }) as const
  await warehouse.createTable({ name: 'orders', columns: [text('user_id'), whole('shop'), whole('total')] })
  await warehouse.createTable({ name: 'clicks', columns: [text('user_id'), text('page')] })
  await warehouse.createTable({ name: 'visits', columns: [text('user_id'), text('page')] })
}

export async function ingest(
  { publishing }: Pick<Gateway, 'publishing'>,
  table: string,
  rows: readonly object[],
) {
  const job = await publishing.wait((await publishing.ingest({ table, rows })).id)
  if (job.status !== 'SUCCEEDED') throw new Error(job.error ?? job.status)
}

/** Filled and online. */
export async function serve({ warehouse, catalog, realtime }: Gateway) {
  const served = []
  for (const { name, refresh, key, sql } of views) {
    const { columns } = await warehouse.describe(sql)
    const query = await catalog.savedQueries.save({ name, sql, columns })
    const wanted = {
      name,
      queryId: query.id,
      etlId: null,
      indexKeys: [key],
      ttlSeconds: null,
      refresh,
    } as const
    const view = await realtime.createFeatureView(wanted)
    await realtime.refreshInFull(view.id)
    served.push({ ...view, key })
  }
  await realtime.idle()
  return served
}

export async function rowsOf({ warehouse }: Pick<Gateway, 'warehouse'>, table: string): Promise<string[]> {
  const { batches } = await warehouse.scan({ sql: `SELECT * FROM feature_store.${table}`, key: ['user_id'] })
  const rows: string[] = []
  for await (const batch of batches) rows.push(...batch.map((row) => JSON.stringify(row)))
  return rows.sort()
}
