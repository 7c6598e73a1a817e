// Feature views over REST: made, listed, changed, refreshed and taken away, as GraphQL does it.

import { z } from 'zod'
import { longestName } from '../../catalog/database/violations.ts'
import type { FeatureViewRecord } from '../../catalog/feature-views.ts'
import { freshnessOf, freshnessSources } from '../../features/freshness.ts'
import type { ViewWords } from '../../features/view-changes.ts'
import type { Services } from '../../schema/services.ts'
import { createView, deleteView, updateView } from '../../schema/view-actions.ts'
import { usualWaitMs } from '../../training/limits.ts'
import { columnTypes } from '../../values/columns.ts'
import { answer, etlPath, failures, idPattern, queryId, waitMs } from './bodies.ts'
import type { RestServer } from './openapi.ts'

const path = '/feature-views'
const readers = ['catalog:read', 'catalog:write'] as const
const mostListed = 1000

const seconds = z.number().int().min(1).nullish()
const words = {
  description: z.string().nullish(),
  owner: z.string().nullish().describe('Whom to ask about it'),
  tags: z.array(z.string()).nullish(),
  features: z
    .array(
      z.object({
        feature: z.string().describe('A column that is neither key nor time'),
        description: z.string().nullish(),
        deprecated: z
          .string()
          .nullish()
          .describe('Why nobody should use it any more, and what to use instead'),
      }),
    )
    .nullish()
    .describe('What is said of single features'),
}
const changeable = {
  ttl_seconds: seconds.describe('Older answers than this say STALE'),
  event_ttl_seconds: seconds.describe('How old the row may be that is served'),
  refresh_every: z
    .string()
    .nullish()
    .meta({ description: 'An interval, or five cron fields in UTC', examples: ['5m'] }),
  ...words,
}
const created = z
  .object({
    name: z
      .string()
      .min(1)
      .max(longestName)
      .meta({ examples: ['quotes_by_user'] }),
    query_id: queryId,
    etl_path: etlPath.nullish(),
    index_key: z
      .string()
      .min(1)
      .nullish()
      .meta({ examples: ['user_id'] }),
    index_keys: z
      .array(z.string().min(1))
      .min(1)
      .nullish()
      .describe('Instead of index_key, for a key of several'),
    refresh: z.enum(['AUTO', 'BY_KEY', 'FULL', 'MANUAL']).default('AUTO'),
    timestamp_column: z
      .string()
      .nullish()
      .describe('When a row became true: the newest that has come is served'),
    created_column: z.string().nullish().describe('When a row was written'),
    lateness: z
      .string()
      .nullish()
      .describe('How late a row may come whose time is earlier; an hour, left out'),
    ...changeable,
  })
  .strict()
  .meta({ id: 'NewFeatureView' })
const changed = z.object(changeable).strict().meta({ id: 'FeatureViewChanges' })

const view = z
  .object({
    id: z.string(),
    name: z.string(),
    graphql_name: z.string().nullable(),
    query_id: z.string(),
    etl_id: z.string().nullable(),
    index_keys: z.array(z.string()),
    timestamp_column: z.string().nullable(),
    created_column: z.string().nullable(),
    ttl_seconds: z.number().int().nullable(),
    event_ttl_seconds: z.number().int().nullable(),
    refresh: z.enum(['BY_KEY', 'FULL', 'MANUAL']),
    refresh_note: z.string().nullable(),
    refresh_every: z.string().nullable(),
    refreshed_at: z.string().nullable(),
    freshness: z.object({
      kept_by: z.array(z.enum(freshnessSources)),
      behind_seconds: z.number().nullable(),
      note: z.string().nullable(),
    }),
    tables: z.array(z.string()),
    features: z.array(
      z.object({
        name: z.string(),
        type: z.enum(columnTypes),
        nullable: z.boolean(),
        description: z.string().nullable(),
        deprecated: z.string().nullable(),
      }),
    ),
    description: z.string().nullable(),
    owner: z.string().nullable(),
    tags: z.array(z.string()),
    implicit: z.boolean().describe('Made by a lookup'),
    created_at: z.string(),
  })
  .meta({ id: 'FeatureView' })
const listed = z
  .object({
    feature_views: z.array(view),
    next: z.string().nullable().describe('What `after` has to be for those that follow; null at the end'),
  })
  .meta({ id: 'FeatureViews' })

const params = z.object({ id: z.string().regex(idPattern).describe("A feature view's id") })
const schemaOf = (operationId: string, summary: string) => ({ tags: ['feature views'], operationId, summary })
const told = (description: string) => ({ 200: answer(description, view), ...failures })

export function addFeatureViews(app: RestServer, services: Services) {
  addReading(app, services)
  addChanging(app, services)
}

function addReading(app: RestServer, services: Services) {
  const { catalog } = services
  app.get(
    path,
    {
      config: { access: readers },
      schema: {
        ...schemaOf('featureViews', 'The feature views, the oldest first'),
        querystring: z.object({
          name: z.string().optional().describe('The one of this name'),
          first: z.coerce.number().int().min(1).max(mostListed).default(100),
          after: z.string().optional(),
        }),
        response: { 200: answer('A page of them', listed), ...failures },
      },
    },
    async ({ query: { name, first, after } }) => {
      const all = (await catalog.featureViews.all()).filter(
        (each) => name === undefined || each.name === name,
      )
      const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
      const page = all.slice(from, from + first)
      const keepers = await services.realtime.keepers()
      const views = await Promise.all(page.map((record) => tell(services, record, keepers)))
      return { feature_views: views, next: from + first < all.length ? (page.at(-1)?.id ?? null) : null }
    },
  )
  app.get(
    `${path}/:id`,
    {
      config: { access: readers },
      schema: { ...schemaOf('featureView', 'One feature view'), params, response: told('The view') },
    },
    ({ params: { id } }) => tellById(services, id),
  )
}

function addChanging(app: RestServer, services: Services) {
  const config = { access: 'catalog:write' } as const
  app.post(
    path,
    {
      config,
      schema: {
        ...schemaOf('createFeatureView', 'Serves a saved query, and perhaps an ETL, online by an index key'),
        description:
          'One that is there already, the same in all, is answered; one that differs is a CONFLICT.',
        body: created,
        response: told('The view'),
      },
    },
    async ({ body }) => {
      const id = await createView(services, {
        name: body.name,
        queryId: body.query_id,
        etlPath: body.etl_path,
        indexKey: body.index_key,
        indexKeys: body.index_keys,
        ttlSeconds: body.ttl_seconds ?? null,
        refresh: body.refresh,
        refreshEvery: body.refresh_every ?? null,
        timestampColumn: body.timestamp_column ?? null,
        createdColumn: body.created_column ?? null,
        eventTtlSeconds: body.event_ttl_seconds ?? null,
        lateness: body.lateness ?? null,
        ...wordsOf(body),
      })
      return tellById(services, id)
    },
  )
  app.patch(
    `${path}/:id`,
    {
      config,
      schema: {
        ...schemaOf(
          'updateFeatureView',
          'Changes what is given; what is left out stays, and null takes away',
        ),
        params,
        body: changed,
        response: told('The view'),
      },
    },
    async ({ params: { id }, body }) => {
      const {
        ttl_seconds: ttlSeconds,
        event_ttl_seconds: eventTtlSeconds,
        refresh_every: refreshEvery,
      } = body
      await updateView(services, id, {
        ...(ttlSeconds !== undefined && { ttlSeconds }),
        ...(eventTtlSeconds !== undefined && { eventTtlSeconds }),
        ...(refreshEvery !== undefined && { refreshEvery }),
        ...wordsOf(body),
      })
      return tellById(services, id)
    },
  )
  app.post(
    `${path}/:id/refresh`,
    {
      config,
      schema: {
        ...schemaOf('refreshFeatureView', 'Computes a feature view anew, whatever its policy'),
        params,
        querystring: z.object({
          wait_ms: waitMs('How long the answer may wait for the end; it goes on then'),
        }),
        response: told('The view: refreshed_at tells when it was through'),
      },
    },
    async ({ params: { id }, query }) => {
      await services.realtime.refreshNow(id, { waitMs: query.wait_ms ?? usualWaitMs })
      return tellById(services, id)
    },
  )
  app.delete(
    `${path}/:id`,
    {
      config,
      schema: {
        ...schemaOf('deleteFeatureView', 'Removes a feature view and its rows from the online store'),
        params,
        querystring: z.object({
          force: z
            .enum(['true', 'false'])
            .default('false')
            .describe('Also where trusted documents ask for its fields'),
        }),
        response: { 204: z.null().describe('It is gone'), ...failures },
      },
    },
    async ({ params: { id }, query }, reply) => {
      await deleteView(services, id, query.force === 'true')
      return reply.status(204).send(null)
    },
  )
}

function wordsOf({ description, owner, tags, features }: z.infer<z.ZodObject<typeof words>>): ViewWords {
  const notes = features?.map(({ feature, description = null, deprecated = null }) => ({
    feature,
    description,
    deprecated,
  }))
  return {
    ...(description !== undefined && { description }),
    ...(owner !== undefined && { owner }),
    ...(tags !== undefined && { tags }),
    ...(features !== undefined && { features: notes ?? null }),
  }
}

async function tellById(services: Services, id: string) {
  return tell(services, await services.catalog.featureViews.byId(id), await services.realtime.keepers())
}

async function tell(
  { realtime }: Services,
  record: FeatureViewRecord,
  keepers: Parameters<typeof freshnessOf>[1],
): Promise<z.infer<typeof view>> {
  const { keptBy, behindSeconds, note } = freshnessOf(record, keepers, Date.now())
  const features = await realtime.features(record.id)
  return {
    id: record.id,
    name: record.name,
    graphql_name: record.graphqlName,
    query_id: record.queryId,
    etl_id: record.etlId,
    index_keys: record.indexKeys,
    timestamp_column: record.timestampColumn,
    created_column: record.createdColumn,
    ttl_seconds: record.ttlSeconds,
    event_ttl_seconds: record.eventTtlSeconds,
    refresh: record.refresh,
    refresh_note: record.refreshNote,
    refresh_every: record.refreshEvery,
    refreshed_at: record.refreshedAt?.toISOString() ?? null,
    freshness: { kept_by: [...keptBy], behind_seconds: behindSeconds, note },
    tables: record.tables,
    features: features.map(({ column: { name, type, nullable }, description, deprecated }) => ({
      ...{ name, type, nullable, description, deprecated },
    })),
    description: record.description,
    owner: record.owner,
    tags: record.tags,
    implicit: record.implicit,
    created_at: record.createdAt.toISOString(),
  }
}
