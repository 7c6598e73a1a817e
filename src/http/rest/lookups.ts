// Realtime lookups over REST: what their bodies are, what they look up, and how the answer is written.

import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { RealtimeResult } from '../../realtime/service.ts'
import { createAnswerBudget } from '../../schema/answer-budget.ts'
import { callerOf } from '../../schema/authorization.ts'
import { type Loading, type LookupArguments, lookups } from '../../schema/lookup-fields.ts'
import type { Services } from '../../schema/services.ts'
import { type ByteText, toByteText, toText } from '../../values/byte-text.ts'
import { formatMicros } from '../../values/calendar.ts'
import { keyText } from '../../values/entity-key.ts'
import type { Admission } from '../guards/admission.ts'
import { answer, errorCode, etlPath, failures, indexKey, queryId, rows, sendJson } from './bodies.ts'
import type { RestServer } from './openapi.ts'

/** Clients of the earlier API send numbers as they are. */
const cell = z.union([z.string(), z.number(), z.boolean()]).transform(String)
const indexValue = z
  .union([cell, z.array(cell).min(1).transform(keyText)])
  .describe('A value of the index key; of a key of several columns a list, with a value for each')

const failed = z
  .object({ code: errorCode, message: z.string() })
  .meta({ id: 'LookupFailure', description: 'Why there are no rows for this value' })
const source = z.enum(['ONLINE', 'WAREHOUSE']).meta({ id: 'Source' })
const times = {
  as_of: z
    .string()
    .nullable()
    .describe('When the rows were computed, of a view in time the moment they were chosen for (RFC 3339)'),
  event_time: z.string().optional().describe('Of a view in time, when its newest row became true'),
}
const lookedUp = z
  .object({ data: rows, status: z.enum(['FRESH', 'STALE', 'NOT_FOUND', 'EXPIRED']), source, ...times })
  .meta({ id: 'Lookup' })
const result = z
  .object({
    data: rows,
    status: z.enum(['FRESH', 'STALE', 'NOT_FOUND', 'EXPIRED', 'FAILED']),
    source,
    ...times,
    error: failed.optional(),
  })
  .meta({ id: 'LookupResult' })
const lookedUpMany = z
  .object({
    results: z
      .array(result)
      .describe('One for each value, in order: a value that fails takes none of the others'),
  })
  .meta({ id: 'Lookups' })

const query = { query_id: queryId, index_key: indexKey }
const extraction = { ...query, etl_path: etlPath }
const one = { index_value: indexValue }
const many = { index_values: z.array(indexValue) }

interface LookupRoute {
  path: string
  operationId: string
  tag: 'query' | 'extract'
  summary: string
  body: z.ZodType<LookupBody>
  answered: z.ZodType
  lookUp(context: Loading, body: LookupBody): Promise<ByteText>
}

/** A body as its route's schema lets it pass. */
export interface LookupBody {
  query_id: string
  etl_path?: string
  index_key: string
  index_value?: string
  index_values?: readonly string[]
}

export const lookupRoutes: readonly LookupRoute[] = [
  {
    path: '/query/realtime',
    operationId: 'queryRealtime',
    tag: 'query',
    summary: "One entity's rows of a saved query, now",
    body: z.object({ ...query, ...one }).meta({ id: 'QueryLookup' }),
    answered: lookedUp,
    lookUp: lookUpOne,
  },
  {
    path: '/query/realtime/many',
    operationId: 'queryRealtimeMany',
    tag: 'query',
    summary: "Many entities' rows of a saved query, now",
    body: z.object({ ...query, ...many }).meta({ id: 'QueryLookups' }),
    answered: lookedUpMany,
    lookUp: lookUpMany,
  },
  {
    path: '/extract/realtime',
    operationId: 'extractRealtime',
    tag: 'extract',
    summary: "One entity's features, now: a saved query's rows through an ETL",
    body: z.object({ ...extraction, ...one }).meta({ id: 'ExtractionLookup' }),
    answered: lookedUp,
    lookUp: lookUpOne,
  },
  {
    path: '/extract/realtime/many',
    operationId: 'extractRealtimeMany',
    tag: 'extract',
    summary: "Many entities' features, now: a saved query's rows through an ETL",
    body: z.object({ ...extraction, ...many }).meta({ id: 'ExtractionLookups' }),
    answered: lookedUpMany,
    lookUp: lookUpMany,
  },
]

export function addLookups(
  app: RestServer,
  { services, admission }: { services: Services; admission: Pick<Admission, 'chargerOf'> },
) {
  const loadingOf = ({ identity, raw }: FastifyRequest): Loading => ({
    realtimeLoader: services.realtime.createLoader(callerOf(identity)),
    charge: admission.chargerOf(raw),
    answer: createAnswerBudget(),
  })
  for (const { path, operationId, tag, summary, body, answered, lookUp } of lookupRoutes) {
    app.post(
      path,
      {
        config: { access: 'realtime' },
        schema: {
          tags: [tag],
          operationId,
          summary,
          body,
          response: { 200: answer('What training would see, at this moment', answered), ...failures },
        },
      },
      async (request, reply) => sendJson(reply, toText(await lookUp(loadingOf(request), request.body))),
    )
  }
}

function argumentsOf(body: LookupBody): LookupArguments {
  return {
    queryId: body.query_id,
    indexKey: body.index_key,
    ...(body.etl_path !== undefined && { etlPath: body.etl_path }),
    ...(body.index_value !== undefined && { indexValue: body.index_value }),
    ...(body.index_values !== undefined && { indexValues: body.index_values }),
  }
}

/** A value that fails is the request's failure, with a fitting status. */
async function lookUpOne(context: Loading, body: LookupBody): Promise<ByteText> {
  const result = await lookups.queryRealtime.lookUp(context, argumentsOf(body))
  if (result.error !== null) throw result.error
  return encode(result)
}

async function lookUpMany(context: Loading, body: LookupBody): Promise<ByteText> {
  const results = await lookups.queryRealtimeMany.lookUp(context, argumentsOf(body))
  return `{"results":[${results.map(encode).join()}]}` as ByteText
}

function encode({ rows: data, status, source, asOfMs, eventTime, error }: RealtimeResult): ByteText {
  const asOf = asOfMs === null ? 'null' : `"${new Date(asOfMs).toISOString()}"`
  const event = eventTime === null ? '' : `,"event_time":"${formatMicros(eventTime)}"`
  const failed =
    error === null
      ? ''
      : `,"error":${toByteText(JSON.stringify({ code: error.code, message: error.message }))}`
  return `{"data":${data},"status":"${status}","source":"${source}","as_of":${asOf}${event}${failed}}` as ByteText
}
