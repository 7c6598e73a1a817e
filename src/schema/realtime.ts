// RealtimeResult: the features of one entity, now; looked up one by one, many at once, or followed.

import { z } from 'zod'
import { toText } from '../values/byte-text.ts'
import { Moment } from '../values/moment.ts'
import { callerOf } from './authorization.ts'
import type { Builder } from './builder.ts'
import { JsonText } from './json-text.ts'
import { lookups, queryDescription } from './lookup-fields.ts'
import type { Services } from './services.ts'

export type RealtimeEnums = ReturnType<typeof addRealtime>

export function addRealtime(builder: Builder, services: Services) {
  const status = builder.enumType('RealtimeStatus', {
    values: {
      FRESH: {},
      STALE: { description: "Older than the view's ttlSeconds." },
      NOT_FOUND: { description: 'The query has no row for this value.' },
      FAILED: { description: 'Nothing could be given for this value: `error` says why.' },
      EXPIRED: {
        description: "The newest row is older than the view's eventTtlSeconds allows: `rows` is empty.",
      },
    } as const,
  })
  const source = builder.enumType('RealtimeSource', {
    values: {
      ONLINE: { description: 'It waited in the online store.' },
      WAREHOUSE: { description: 'It was computed for this request.' },
    } as const,
  })

  builder.objectType('RealtimeFailure', {
    description: 'Why there is no answer for one index value.',
    authScopes: { realtime: true },
    fields: (t) => ({ code: t.exposeString('code'), message: t.exposeString('message') }),
  })
  builder.objectType('RealtimeResult', {
    description: 'The rows that training would see for one index value, at this moment.',
    authScopes: { realtime: true },
    fields: (t) => ({
      indexKey: t.exposeString('indexKey'),
      indexValue: t.exposeString('indexValue'),
      status: t.field({ type: status, resolve: (result) => result.status }),
      rows: t.field({
        type: 'JSON',
        description: 'An array of objects.',
        resolve: ({ rows }) => new JsonText(toText(rows)),
      }),
      source: t.expose('source', { type: source }),
      asOf: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When the rows were computed; of a view in time the moment that the row was chosen for.',
        resolve: ({ asOfMs }) => (asOfMs === null ? null : new Date(asOfMs)),
      }),
      eventTime: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Of a view in time, when its newest row became true, to the microsecond.',
        resolve: ({ eventTime }) => (eventTime === null ? null : new Moment(eventTime)),
      }),
      error: t.field({
        type: 'RealtimeFailure',
        nullable: true,
        description: 'Why there are no rows, when the status is FAILED; it concerns this value alone.',
        // An executor throws an error that a resolver returns.
        resolve: ({ error }) => error && { code: error.code, message: error.message },
      }),
    }),
  })

  builder.queryFields((t) => {
    const query = {
      queryId: t.arg.id({ required: true, description: queryDescription }),
      indexKey: t.arg.string({
        required: true,
        description: indexKeyDescription,
        validate: z.string().min(1),
      }),
    }
    const etlPath = t.arg.string({
      required: true,
      description: 'Where the ETL lives, or its id in the catalog; the stored source runs.',
      validate: z.string().min(1),
    })
    const one = t.arg.string({ required: true })
    const many = t.arg.stringList({ required: true })
    const costOfMany = (args: { indexValues: readonly string[] }) => ({
      field: 1,
      multiplier: args.indexValues.length,
    })
    return {
      queryRealtime: t.field({
        type: 'RealtimeResult',
        description: "One entity's rows of a saved query.",
        authScopes: { realtime: true },
        args: { ...query, indexValue: one },
        resolve: (_root, args, context) => lookups.queryRealtime.lookUp(context, args),
      }),
      queryRealtimeMany: t.field({
        type: ['RealtimeResult'],
        description: "Many entities' rows of a saved query, one result for each value, in order.",
        authScopes: { realtime: true },
        args: { ...query, indexValues: many },
        complexity: costOfMany,
        resolve: (_root, args, context) => lookups.queryRealtimeMany.lookUp(context, args),
      }),
      extractRealtime: t.field({
        type: 'RealtimeResult',
        description: "One entity's features: a saved query's rows through an ETL.",
        authScopes: { realtime: true },
        args: { ...query, etlPath, indexValue: one },
        resolve: (_root, args, context) => lookups.extractRealtime.lookUp(context, args),
      }),
      extractRealtimeMany: t.field({
        type: ['RealtimeResult'],
        description: "Many entities' features, one result for each value, in order.",
        authScopes: { realtime: true },
        args: { ...query, etlPath, indexValues: many },
        complexity: costOfMany,
        resolve: (_root, args, context) => lookups.extractRealtimeMany.lookUp(context, args),
      }),
    }
  })

  builder.subscriptionField('featureUpdates', (t) =>
    t.field({
      type: 'RealtimeResult',
      description: "One entity's rows: now, and again at every change.",
      authScopes: { realtime: true },
      args: {
        queryId: t.arg.id({ required: true, description: queryDescription }),
        etlPath: t.arg.string({
          description: "With it, the rows through this ETL; without, the query's own.",
          validate: z.string().min(1).nullish(),
        }),
        indexKey: t.arg.string({
          required: true,
          description: indexKeyDescription,
          validate: z.string().min(1),
        }),
        indexValue: t.arg.string({ required: true }),
      },
      subscribe: (_root, { queryId, etlPath = null, indexKey, indexValue }, { identity }) =>
        services.realtime.updates({ queryId, etlPath, indexKey }, indexValue, callerOf(identity)),
      resolve: (result) => result,
    }),
  )
  return { status, source }
}

const indexKeyDescription =
  'The column that finds the rows. Of several a JSON array of their names; then an index value is a JSON array of theirs.'
