// Realtime lookups over REST: what their bodies are, what they look up, and how the answer is written.

import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { errorCodes } from '../../errors.ts'
import type { RealtimeResult } from '../../realtime/service.ts'
import { createAnswerBudget } from '../../schema/answer-budget.ts'
import { callerOf } from '../../schema/authorization.ts'
import { type Loading, type LookupArguments, lookups } from '../../schema/lookup-fields.ts'
import type { Services } from '../../schema/services.ts'
import { type ByteText, toByteText, toText } from '../../values/byte-text.ts'
import { keyText } from '../../values/entity-key.ts'
import type { Admission } from '../guards/admission.ts'
import { failures, id, rows, sendJson } from './bodies.ts'
import type { RestServer } from './openapi.ts'

/** Clients of the earlier API send numbers as they are. */
const cell = z.union([z.string(), z.number(), z.boolean()]).transform(String)
const indexValue = z
  .union([cell, z.array(cell).min(1).transform(keyText)])
  .describe('Of a key of several columns a list, with a value for each')
const name = z.string().min(1)

const lookedUp = z.object({
  data: rows,
  status: z.enum(['FRESH', 'STALE', 'NOT_FOUND']),
  source: z.enum(['ONLINE', 'WAREHOUSE']),
  as_of: z.string().nullable(),
})
const lookedUpMany = z.object({
  results: z
    .array(
      lookedUp.extend({
        status: z.enum(['FRESH', 'STALE', 'NOT_FOUND', 'FAILED']),
        error: z
          .object({ code: z.enum(errorCodes), message: z.string() })
          .optional()
          .describe('Why there are no rows, when the status is FAILED'),
      }),
    )
    .describe('One for each value, in order: a value that fails takes none of the others'),
})

const indexKey = z
  .union([name, z.array(name).min(1).transform(keyText)])
  .describe('The column that finds the rows, or a list of several')
const query = { query_id: id, index_key: indexKey }
const extraction = { ...query, etl_path: name }
const one = { index_value: indexValue }
const many = { index_values: z.array(indexValue) }

interface LookupRoute {
  path: string
  tag: 'query' | 'extract'
  summary: string
  body: z.ZodType<LookupBody>
  answer: z.ZodType
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
    tag: 'query',
    summary: "One entity's rows of a saved query, now",
    body: z.object({ ...query, ...one }),
    answer: lookedUp,
    lookUp: lookUpOne,
  },
  {
    path: '/query/realtime/many',
    tag: 'query',
    summary: "Many entities' rows of a saved query, now",
    body: z.object({ ...query, ...many }),
    answer: lookedUpMany,
    lookUp: lookUpMany,
  },
  {
    path: '/extract/realtime',
    tag: 'extract',
    summary: "One entity's features, now: a saved query's rows through an ETL",
    body: z.object({ ...extraction, ...one }),
    answer: lookedUp,
    lookUp: lookUpOne,
  },
  {
    path: '/extract/realtime/many',
    tag: 'extract',
    summary: "Many entities' features, now: a saved query's rows through an ETL",
    body: z.object({ ...extraction, ...many }),
    answer: lookedUpMany,
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
  for (const { path, tag, summary, body, answer, lookUp } of lookupRoutes) {
    app.post(
      path,
      {
        config: { access: 'realtime' },
        schema: { tags: [tag], summary, body, response: { 200: answer, ...failures } },
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

function encode({ rows: data, status, source, asOfMs, error }: RealtimeResult): ByteText {
  const asOf = asOfMs === null ? 'null' : `"${new Date(asOfMs).toISOString()}"`
  const failed =
    error === null
      ? ''
      : `,"error":${toByteText(JSON.stringify({ code: error.code, message: error.message }))}`
  return `{"data":${data},"status":"${status}","source":"${source}","as_of":${asOf}${failed}}` as ByteText
}
