// The two requests that Feast's clients send a feature server: features of entities, column by column, and rows pushed into a table.

import { z } from 'zod'
import { isEnded } from '../../catalog/job-states.ts'
import { AppError } from '../../errors.ts'
import type { FeatureReference } from '../../features/references.ts'
import type { FeatureVector, Vectors } from '../../realtime/vectors/vectors.ts'
import { createAnswerBudget } from '../../schema/answer-budget.ts'
import type { Loading } from '../../schema/lookup-fields.ts'
import type { Services } from '../../schema/services.ts'
import { maxWaitMs } from '../../training/limits.ts'
import { toText } from '../../values/byte-text.ts'
import { formatMicros } from '../../values/calendar.ts'
import type { Admission } from '../guards/admission.ts'
import { answer, failures } from './bodies.ts'
import type { RestServer } from './openapi.ts'
import { togetherByView } from './references.ts'
import { assertSucceeded } from './table-rows.ts'

export const feastPath = '/get-online-features'

const statuses = ['PRESENT', 'NULL_VALUE', 'NOT_FOUND', 'OUTSIDE_MAX_AGE', 'INVALID'] as const
type Status = (typeof statuses)[number]

/** A body as the route's schema lets it pass. */
export interface FeastBody {
  feature_service?: string | null | undefined
  features?: readonly string[] | null | undefined
  entities: Readonly<Record<string, readonly unknown[]>>
  full_feature_names: boolean
}

const asked = z
  .object({
    feature_service: z.string().min(1).nullish(),
    features: z.array(z.string()).nullish().describe('`view:feature`, when no service is named'),
    entities: z.record(z.string(), z.array(z.unknown())).describe('Of each column a value for each entity'),
    full_feature_names: z.boolean().default(false),
  })
  .meta({ id: 'FeastRequest' })

const answered = z
  .object({
    metadata: z.object({ feature_names: z.array(z.string()) }),
    results: z
      .array(
        z.object({
          values: z.array(z.unknown()),
          statuses: z.array(z.enum(statuses)),
          event_timestamps: z.array(z.string()),
        }),
      )
      .describe("One for each name, the entities' columns first; in each a value for each entity"),
  })
  .meta({ id: 'FeastAnswer' })

const pushed = z
  .object({
    push_source_name: z.string().min(1).describe('A table that takes rows'),
    df: z.record(z.string(), z.array(z.unknown())).describe('Of each column a value for each row'),
    to: z
      .enum(['online', 'offline', 'online_and_offline'])
      .default('online')
      .describe('Rows are written and served, whichever it says'),
  })
  .meta({ id: 'FeastPush' })

export function addFeast(
  app: RestServer,
  { services, admission }: { services: Services; admission: Pick<Admission, 'chargerOf'> },
) {
  app.post(
    feastPath,
    {
      config: { access: 'realtime' },
      schema: {
        tags: ['feast'],
        operationId: 'feastGetOnlineFeatures',
        summary: 'Features as Feast’s clients ask for them',
        body: asked,
        response: { 200: answer('Column by column', answered), ...failures },
      },
    },
    async ({ body, raw }) => {
      const loading = { charge: admission.chargerOf(raw), answer: createAnswerBudget() }
      return getOnlineFeatures(services.vectors, loading, body)
    },
  )
  app.post(
    '/push',
    {
      config: { access: 'publish' },
      schema: {
        tags: ['feast'],
        operationId: 'feastPush',
        summary: 'Writes rows to a table as Feast’s clients push them',
        body: pushed,
        response: {
          200: answer('The rows are written and served', z.object({ job_id: z.string() })),
          ...failures,
        },
      },
    },
    async ({ body }) => push(services, body),
  )
}

/** What Feast says of a value that no row brings. */
export const noTime = '1970-01-01T00:00:00Z'

async function getOnlineFeatures(
  vectors: Vectors,
  loading: Pick<Loading, 'charge' | 'answer'>,
  body: FeastBody,
): Promise<z.infer<typeof answered>> {
  const { names, partOf, found } = await findFeatures(vectors, loading, body)
  const values = found.map(({ features }) => JSON.parse(toText(features)) as Record<string, unknown>)
  const given = Object.values(body.entities).map((column) => ({
    values: [...column],
    statuses: column.map((): Status => 'PRESENT'),
    event_timestamps: column.map(() => noTime),
  }))
  const results = names.map((name, i) => {
    const own = values.map((each) => (Object.hasOwn(each, name) ? each[name] : null))
    const parts = found.map(({ views }) => (partOf === null ? undefined : views[partOf[i] ?? 0]))
    return {
      values: own,
      statuses: own.map((value, entity) => statusOf(value, found[entity], parts[entity])),
      event_timestamps: parts.map(eventTimeOf),
    }
  })
  const feature_names = [...Object.keys(body.entities), ...names]
  return { metadata: { feature_names }, results: [...given, ...results] }
}

/** The vectors that are asked for, and what their features are named. */
export async function findFeatures(
  vectors: Vectors,
  { charge, answer: budget }: Pick<Loading, 'charge' | 'answer'>,
  { feature_service: service, features, entities: columns, full_feature_names: fullNames }: FeastBody,
) {
  const request = {
    service: service ?? null,
    features: service == null ? referencesOf(features ?? []) : null,
    fullNames,
  }
  const entities = rowsOf(columns, 'entities')
  const { names, partOf } = await vectors.describe(request)
  const found = await vectors.get({ ...request, entities, asOf: null }, { charge })
  for (const vector of found) {
    // There is no place for what is wrong with one entity, but for a feature that could not be had.
    if (vector.error !== null && vector.views.length === 0) throw vector.error
    budget.take(vector.features.length)
  }
  return { names, partOf, found }
}

/** `part` is the feature's; there is none where an ETL gives it. */
export function statusOf(
  value: unknown,
  vector: FeatureVector | undefined,
  part: FeatureVector['views'][number] | undefined,
): Status {
  if (vector?.error !== null && part === undefined) return 'INVALID'
  switch (part?.status) {
    case 'NOT_FOUND':
      return 'NOT_FOUND'
    case 'EXPIRED':
      return 'OUTSIDE_MAX_AGE'
    case 'FAILED':
      return 'INVALID'
    default:
      return value === null ? 'NULL_VALUE' : 'PRESENT'
  }
}

export function eventTimeOf(part: FeatureVector['views'][number] | undefined): string {
  return part?.eventTime == null ? noTime : formatMicros(part.eventTime)
}

/** `view:feature`, those of a view together, as Feast answers them. */
function referencesOf(features: readonly string[]): FeatureReference[] {
  const unnamed = features.find((text) => text.indexOf(':') < 1)
  if (unnamed === undefined) return togetherByView(features)
  throw new AppError(
    'BAD_USER_INPUT',
    `The feature ${JSON.stringify(unnamed)} is named by its view and its name, view:feature.`,
  )
}

function rowsOf(
  columns: Readonly<Record<string, readonly unknown[]>>,
  what: string,
): Record<string, unknown>[] {
  const named = Object.entries(columns)
  const [first] = named
  const uneven = named.find(([, values]) => values.length !== first?.[1].length)
  if (first !== undefined && uneven !== undefined)
    throw new AppError(
      'BAD_USER_INPUT',
      `The ${what} have ${first[1].length} values of ${first[0]}, and ${uneven[1].length} of ${uneven[0]}; each column has one for each row.`,
    )
  return (first?.[1] ?? []).map((_, i) =>
    Object.fromEntries(named.map(([name, values]) => [name, values[i]])),
  )
}

const withoutZone = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,6})?)$/

async function push(
  { publishing, tables }: Services,
  { push_source_name: table, df }: z.infer<typeof pushed>,
) {
  const target = await tables.find(table)
  const times = new Set(target?.columns.filter(({ type }) => type === 'TIMESTAMP').map(({ name }) => name))
  // pandas writes times without their zone; they are UTC.
  const columns = Object.fromEntries(
    Object.entries(df).map(([name, values]) => [name, times.has(name) ? values.map(inUtc) : values]),
  )
  const started = await publishing.ingest({ table, rows: rowsOf(columns, 'rows of df') })
  const job = await publishing.wait(started.id, { signal: AbortSignal.timeout(maxWaitMs) })
  if (isEnded(job.status)) assertSucceeded(job)
  return { job_id: job.id }
}

function inUtc(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(withoutZone, '$1T$2Z') : value
}
