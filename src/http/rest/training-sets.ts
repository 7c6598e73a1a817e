// Training sets over REST: the features of a spine's rows as of their times, as a dataset.

import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Services } from '../../schema/services.ts'
import { downloadFormats } from '../../training/download.ts'
import type { CreateTrainingSetRequest, MadeTrainingSet } from '../../training/requests.ts'
import { askFeatures } from '../../training/sets/asked.ts'
import type { SpineRequest } from '../../training/sets/spine.ts'
import { answer, columns, failures, idempotencyHeader, plainKey, waitMs } from './bodies.ts'
import type { RestServer } from './openapi.ts'
import { references } from './references.ts'
import { createSpineForms, spineForm } from './spine-forms.ts'

const spine = z
  .object({
    sql: z.string().min(1).nullish(),
    query_id: z.string().min(1).nullish().describe("A saved query's id, or its name"),
    dataset_id: z.string().min(1).nullish(),
    rows: z.array(z.record(z.string(), z.unknown())).nullish(),
  })
  .strict()
  .meta({ id: 'Spine', description: 'One of these' })

const setFields = {
  service: z.string().min(1).nullish().describe("A feature service's name, name@version, or id"),
  features: references.nullish().describe('Instead of a service'),
  timestamp_column: z.string().default('event_timestamp').describe("The spine's column of times"),
  full_names: z.boolean().default(false).describe('Names each feature view__feature'),
  known_as_of: z
    .boolean()
    .default(false)
    .describe('Leaves out rows that were created later than the time that is asked about'),
  name: z.string().min(1).nullish(),
}
const body = z
  .object({ spine: spine.optional().describe('Left out where it comes as a file'), ...setFields })
  .meta({ id: 'TrainingSetRequest' })
const made = z
  .object({
    dataset_id: z.string(),
    status: z.enum(['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED']),
    columns: columns.describe('Empty until it has SUCCEEDED'),
    not_point_in_time: z.array(z.string()).describe('Views without a time: their rows are those of now'),
    downloads: z.record(z.enum(downloadFormats), z.string()),
  })
  .meta({ id: 'TrainingSet' })

const querystring = z.object({
  wait_ms: waitMs('How long the answer may wait for the end'),
})

const headers = idempotencyHeader(
  'A name for this request, kept for a week: sent again with it, it is the same dataset',
)

type Asked = z.infer<z.ZodObject<typeof setFields>>

export function addTrainingSets(app: RestServer, services: Services) {
  app.register(async (plain) => {
    const scope = plain.withTypeProvider<ZodTypeProvider>()
    const forms = createSpineForms(services.uploads)
    scope.addContentTypeParser(spineForm, (_request, form, done) => done(null, form))
    scope.post(
      '/training-sets',
      {
        config: { access: 'train' },
        preValidation: forms.receive,
        schema: {
          tags: ['datasets'],
          operationId: 'createTrainingSet',
          summary: 'Joins to each row of a spine the features as of its time, into a dataset',
          description:
            'As multipart/form-data the part `request` is this JSON, and the part `spine` a Parquet file, an Arrow stream or file, or CSV.',
          consumes: ['application/json', spineForm],
          querystring,
          headers,
          body,
          response: {
            200: answer('The dataset', made),
            202: answer('The dataset is being made: GraphQL follows it by datasetProgress', made),
            ...failures,
          },
        },
      },
      async (request, reply) => {
        try {
          const { spine: given, ...asked } = request.body
          const spine = { ...toSpine(given), read: forms.fileOf(request) }
          const key = plainKey(request.headers['idempotency-key'])
          const { rows, ...of } = given ?? {}
          const all = { ...asked, spine: { ...of, file: forms.sha256Of(request) } }
          const set = await create(services, spine, asked, {
            waitMs: request.query.wait_ms,
            ...(key !== undefined && { repeat: { key, asked: all, rows } }),
          })
          return reply.status(set.dataset.status === 'SUCCEEDED' ? 200 : 202).send(tell(services, set))
        } finally {
          await forms.remove(request)
        }
      },
    )
  })
}

function toSpine(given: z.infer<typeof spine> | undefined): SpineRequest {
  const { sql, query_id: queryId, dataset_id: datasetId, rows } = given ?? {}
  return { sql, queryId, datasetId, rows }
}

async function create(
  { training, featureServices }: Services,
  given: SpineRequest,
  asked: Asked,
  how: Pick<CreateTrainingSetRequest, 'waitMs' | 'repeat'>,
): Promise<MadeTrainingSet> {
  return training.createTrainingSet({
    spine: given,
    resolve: askFeatures(featureServices, {
      service: asked.service ?? null,
      features: asked.features ?? null,
      fullNames: asked.full_names,
    }),
    timestampColumn: asked.timestamp_column,
    knownAsOf: asked.known_as_of,
    name: asked.name ?? null,
    ...how,
  })
}

function tell({ access }: Services, { dataset, notPointInTime }: MadeTrainingSet): z.infer<typeof made> {
  const downloads = downloadFormats.map((format) => {
    const path = `/datasets/${dataset.id}.${format}`
    return [format, access.downloadLinks?.sign(path) ?? path] as const
  })
  return {
    dataset_id: dataset.id,
    status: dataset.status,
    columns: dataset.columns.map(({ name, type, nullable }) => ({ name, type, nullable })),
    not_point_in_time: [...notPointInTime],
    downloads: Object.fromEntries(downloads) as Record<(typeof downloadFormats)[number], string>,
  }
}
