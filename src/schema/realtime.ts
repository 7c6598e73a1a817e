// RealtimeResult: the features of one entity, now; looked up one by one, many at once, or followed.

import { z } from 'zod'
import type { LookupTarget } from '../realtime/service.ts'
import { toText } from '../values/byte-text.ts'
import { callerOf } from './authorization.ts'
import type { Builder } from './builder.ts'
import { JsonText } from './json-text.ts'
import { lookUpMany, lookUpOne } from './lookups.ts'
import type { Services } from './services.ts'

export function addRealtime(builder: Builder, services: Services) {
  const status = builder.enumType('RealtimeStatus', {
    values: {
      FRESH: {},
      STALE: { description: "Older than the view's ttlSeconds." },
      NOT_FOUND: { description: 'The query has no row for this value.' },
    } as const,
  })
  const source = builder.enumType('RealtimeSource', {
    values: {
      ONLINE: { description: 'It waited in the online store.' },
      WAREHOUSE: { description: 'It was computed for this request.' },
    } as const,
  })

  builder.objectType('RealtimeResult', {
    description: 'The rows that training would see for one index value, at this moment.',
    authScopes: { realtime: true },
    fields: (t) => ({
      indexKey: t.exposeString('indexKey'),
      indexValue: t.exposeString('indexValue'),
      status: t.expose('status', { type: status }),
      rows: t.field({
        type: 'JSON',
        description: 'An array of objects.',
        resolve: ({ rows }) => new JsonText(toText(rows)),
      }),
      source: t.expose('source', { type: source }),
      asOf: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When the rows were computed.',
        resolve: ({ asOfMs }) => (asOfMs === null ? null : new Date(asOfMs)),
      }),
    }),
  })

  builder.queryFields((t) => {
    const query = {
      queryId: t.arg.id({ required: true }),
      indexKey: t.arg.string({ required: true, validate: z.string().min(1) }),
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
        resolve: (_root, args, context) => lookUpOne(context, targetOf(args), args.indexValue),
      }),
      queryRealtimeMany: t.field({
        type: ['RealtimeResult'],
        description: "Many entities' rows of a saved query, one result for each value, in order.",
        authScopes: { realtime: true },
        args: { ...query, indexValues: many },
        complexity: costOfMany,
        resolve: (_root, args, context) => lookUpMany(context, targetOf(args), args.indexValues),
      }),
      extractRealtime: t.field({
        type: 'RealtimeResult',
        description: "One entity's features: a saved query's rows through an ETL.",
        authScopes: { realtime: true },
        args: { ...query, etlPath, indexValue: one },
        resolve: (_root, args, context) => lookUpOne(context, targetOf(args), args.indexValue),
      }),
      extractRealtimeMany: t.field({
        type: ['RealtimeResult'],
        description: "Many entities' features, one result for each value, in order.",
        authScopes: { realtime: true },
        args: { ...query, etlPath, indexValues: many },
        complexity: costOfMany,
        resolve: (_root, args, context) => lookUpMany(context, targetOf(args), args.indexValues),
      }),
    }
  })

  builder.subscriptionField('featureUpdates', (t) =>
    t.field({
      type: 'RealtimeResult',
      description: "One entity's rows: now, and again at every change.",
      authScopes: { realtime: true },
      args: {
        queryId: t.arg.id({ required: true }),
        indexKey: t.arg.string({ required: true, validate: z.string().min(1) }),
        indexValue: t.arg.string({ required: true }),
      },
      subscribe: (_root, args, { identity }) =>
        services.realtime.updates(targetOf(args), args.indexValue, callerOf(identity)),
      resolve: (result) => result,
    }),
  )
}

function targetOf(args: { queryId: string; etlPath?: string; indexKey: string }): LookupTarget {
  return { queryId: args.queryId, etlPath: args.etlPath ?? null, indexKey: args.indexKey }
}
