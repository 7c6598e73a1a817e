// FeatureViewFreshness: what keeps a feature view in step with its tables, and how far behind them it may be.

import type { FeatureView } from '../catalog/generated/client.ts'
import { type Freshness, freshnessOf, freshnessSources, type KeeperOf } from '../features/freshness.ts'
import { Moment } from '../values/moment.ts'
import { viewReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import type { Context } from './context.ts'
import type { Services } from './services.ts'

const meanings = {
  GATEWAY: 'What is written through the gateway; nobody else is held to write there.',
  SCHEDULE: '`refreshEvery`.',
  NOTICE: '`tableChanged`, which has been called for one of its tables.',
  SIGNS: 'The tables themselves: the times and sizes of files, a trigger.',
  NOTHING: 'For one of its tables at least nothing does.',
} as const

interface FreshnessOfView extends Freshness {
  view: Pick<FeatureView, 'id' | 'timestampColumn'>
}

export function addFreshness(builder: Builder, services: Services) {
  const source = builder.enumType('FreshnessSource', {
    description: 'What keeps a feature view in step with its tables.',
    values: Object.fromEntries(
      freshnessSources.map((name) => [name, { description: meanings[name] }]),
    ) as Record<(typeof freshnessSources)[number], { description: string }>,
  })

  const ref = builder.objectRef<FreshnessOfView>('FeatureViewFreshness').implement({
    description: 'What keeps a feature view in step with its tables, and how far behind them it may be.',
    authScopes: viewReaders,
    fields: (t) => ({
      keptBy: t.field({ type: [source], resolve: ({ keptBy }) => keptBy }),
      behindSeconds: t.exposeFloat('behindSeconds', {
        nullable: true,
        description:
          'How old a change of its tables may be that an answer told as FRESH does not show; null where nothing bounds it.',
      }),
      newestEventTime: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'Of a view in time the time of the newest row that has come, by its query, asked for now; null where it has an ETL.',
        complexity: { field: 1, multiplier: 5 },
        resolve: async ({ view: { id, timestampColumn } }) => {
          const micros = timestampColumn === null ? null : await services.realtime.newestEventTime(id)
          return micros === null ? null : new Moment(micros)
        },
      }),
      note: t.exposeString('note', {
        nullable: true,
        description: 'What is wrong with it, or left to people; null where it is kept in step by itself.',
      }),
    }),
  })

  /** Asked once for each operation. */
  const keepers = new WeakMap<Context, Promise<KeeperOf>>()
  async function resolve(view: FeatureView, context: Context): Promise<FreshnessOfView> {
    const known = keepers.get(context) ?? services.realtime.keepers()
    keepers.set(context, known)
    const { refresh, ...rest } = view
    // AUTO is only ever asked for.
    const found = freshnessOf({ ...rest, refresh: refresh as 'BY_KEY' }, await known, Date.now())
    return { ...found, view }
  }

  return { ref, resolve }
}

export type FreshnessField = ReturnType<typeof addFreshness>
