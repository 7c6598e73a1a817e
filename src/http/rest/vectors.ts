// Features of several views over REST: one vector for each entity.

import { z } from 'zod'
import { mapWithBreaths } from '../../concurrency/breath.ts'
import { AppError } from '../../errors.ts'
import type { FeatureReference } from '../../features/references.ts'
import { rememberParts } from '../../realtime/vectors/parts.ts'
import type { FeatureVector, Vectors } from '../../realtime/vectors/vectors.ts'
import { createAnswerBudget } from '../../schema/answer-budget.ts'
import type { Loading } from '../../schema/lookup-fields.ts'
import type { Services } from '../../schema/services.ts'
import { type ByteText, toByteText, toText } from '../../values/byte-text.ts'
import { formatMicros } from '../../values/calendar.ts'
import { parseMoment } from '../../values/moment.ts'
import type { Admission } from '../guards/admission.ts'
import { answer, errorCode, failures, sendJson } from './bodies.ts'
import type { RestServer } from './openapi.ts'
import { references } from './references.ts'

export const vectorsPath = '/online-features'

/** A body as the route's schema lets it pass. */
export interface VectorsBody {
  service?: string | undefined
  features?: readonly FeatureReference[] | undefined
  entities: readonly unknown[]
  as_of?: string | undefined
  full_names: boolean
}

const entity = z.record(z.string(), z.unknown())
const asked = z
  .object({
    service: z.string().min(1).optional().describe("A feature service's name, name@version, or id"),
    features: references.optional().describe('Features of views, in the place of a service'),
    entities: z
      .array(z.unknown())
      .describe('Objects of index keys and, for a service with an ETL, request columns'),
    as_of: z.string().optional().describe('What they were then; now, left out'),
    full_names: z.boolean().default(false).describe('Names each feature view__feature'),
  })
  .meta({ id: 'VectorsRequest' })

const failure = z.object({ code: errorCode, message: z.string() }).meta({ id: 'VectorFailure' })
const vector = z
  .object({
    entity: z.unknown(),
    features: entity.describe('By their names'),
    views: z.array(
      z.object({
        view: z.string(),
        status: z.enum(['FRESH', 'STALE', 'NOT_FOUND', 'EXPIRED', 'FAILED']),
        source: z.enum(['ONLINE', 'WAREHOUSE']),
        event_time: z.string().nullable(),
        as_of: z.string().nullable(),
        error: failure.optional(),
      }),
    ),
    error: failure.optional().describe('What is wrong with the entity, or why its ETL gave nothing'),
  })
  .meta({ id: 'FeatureVector' })

export function addVectors(
  app: RestServer,
  { services, admission }: { services: Services; admission: Pick<Admission, 'chargerOf'> },
) {
  app.post(
    vectorsPath,
    {
      config: { access: 'realtime' },
      schema: {
        tags: ['query'],
        operationId: 'onlineFeatures',
        summary: 'The features of entities out of several views, now',
        body: asked,
        response: {
          200: answer('One vector for each entity, in order', z.object({ results: z.array(vector) })),
          ...failures,
        },
      },
    },
    async ({ body, raw }, reply) => {
      const loading = { charge: admission.chargerOf(raw), answer: createAnswerBudget() }
      return sendJson(reply, toText(await lookUpVectors(services.vectors, loading, body)))
    },
  )
}

export async function lookUpVectors(
  vectors: Vectors,
  { charge, answer: budget }: Pick<Loading, 'charge' | 'answer'>,
  { service, features, entities, as_of: asOf, full_names: fullNames }: VectorsBody,
): Promise<ByteText> {
  const request = {
    service: service ?? null,
    features: features ?? null,
    entities,
    asOf: asOf === undefined ? null : momentFrom(asOf),
    fullNames,
  }
  const found = await vectors.get(request, { charge })
  const encode = createEncoder()
  const texts = await mapWithBreaths(found, (each) => {
    budget.take(each.features.length)
    return encode(each)
  })
  return `{"results":[${texts.join()}]}` as ByteText
}

function momentFrom(text: string): bigint {
  const moment = parseMoment(text)
  if (moment !== null) return moment.micros
  throw new AppError(
    'BAD_USER_INPUT',
    `as_of is ${JSON.stringify(text.slice(0, 60))}; it must be an RFC 3339 timestamp with its zone, like 2026-01-31T12:00:00Z.`,
  )
}

/** Of one request's answer. */
function createEncoder(): (vector: FeatureVector) => string {
  const encodeParts = rememberParts(
    ({ view, status, source, eventTime, asOf, error }) =>
      `{"view":${toByteText(JSON.stringify(view))},"status":"${status}","source":"${source}","event_time":${encodeMoment(eventTime)},"as_of":${encodeMoment(asOf)}${encodeError(error)}}`,
  )
  return ({ entity: asked, features, views, error }) =>
    `{"entity":${toByteText(JSON.stringify(asked ?? null))},"features":${features},"views":${encodeParts(views)}${encodeError(error)}}`
}

function encodeError(error: FeatureVector['error']): string {
  if (error === null) return ''
  const { code, message } = error
  return `,"error":${toByteText(JSON.stringify({ code, message }))}`
}

function encodeMoment(micros: bigint | null): string {
  return micros === null ? 'null' : `"${formatMicros(micros)}"`
}
