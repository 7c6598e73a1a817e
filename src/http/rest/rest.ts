// REST, for clients of the earlier API: the five routes, over the same services as GraphQL.

import { z } from 'zod'
import type { DatasetRecord } from '../../catalog/datasets.ts'
import { isEnded } from '../../catalog/job-states.ts'
import { AppError, type ErrorCode, errorCodes, unavailable } from '../../errors.ts'
import { maxFlows } from '../../publish/service.ts'
import { createAnswerBudget } from '../../schema/answer-budget.ts'
import { encodePage } from '../../schema/dataset-page.ts'
import type { Services } from '../../schema/services.ts'
import { maxWaitMs } from '../../training/limits.ts'
import { formatMicros } from '../../values/calendar.ts'
import type { Admission } from '../guards/admission.ts'
import {
  answer,
  asOf,
  columns,
  etlPath,
  failures,
  idempotencyHeader,
  plainKey,
  queryId,
  queryName,
  rows,
  sendJson,
  waitMs,
} from './bodies.ts'
import { addDeletions } from './deletions.ts'
import { addFeast } from './feast.ts'
import { addFeatureViews } from './feature-views.ts'
import { addLookups } from './lookups.ts'
import type { RestServer } from './openapi.ts'
import { addJobs, addTableRows, assertSucceeded as assertJobSucceeded } from './table-rows.ts'
import { addTables } from './tables.ts'
import { addTrainingSets } from './training-sets.ts'
import { addVectors } from './vectors.ts'

/** A training answer holds so many rows at most; the dataset has them all. */
const maxRows = 1_000

const save = z.object({
  save: z.enum(['true', 'false']).default('true').describe('Whether the query or ETL is kept in the catalog'),
})

const trained = {
  as_of: z
    .string()
    .optional()
    .describe('The moment that stood for as_of() (RFC 3339), where the query calls it'),
  dataset_id: z.string().describe("Of the whole dataset: its files are GET /datasets/{id}.{format}'s"),
  columns,
  data: rows.describe(`The first ${maxRows} rows`),
  truncated: z.boolean().describe('Whether the dataset has more rows than these'),
}
const queryTrained = z
  .object({ query_id: z.string().nullable().describe('Null when it was not saved'), ...trained })
  .meta({ id: 'TrainedQuery' })
const extractTrained = z
  .object({
    etl_id: z.string().nullable().describe('Null when it was not saved'),
    log: z.array(z.string()).describe('What the ETL has said by console'),
    ...trained,
  })
  .meta({ id: 'TrainedExtraction' })
const published = z.object({ msg: z.string(), job_id: z.string() }).meta({ id: 'Published' })

const queryTraining = z
  .object({
    query: z
      .string()
      .min(1)
      .meta({ description: 'One SELECT', examples: ["SELECT 7 AS user_id, 'telephone' AS device"] }),
    query_name: queryName,
    as_of: asOf,
  })
  .meta({ id: 'QueryTraining' })
const extractTraining = z
  .object({ query_id: queryId, etl_path: etlPath, as_of: asOf })
  .meta({ id: 'ExtractionTraining' })

export function addRest(
  app: RestServer,
  { services, admission }: { services: Services; admission: Pick<Admission, 'chargerOf'> },
) {
  addTraining(app, services)
  addTrainingSets(app, services)
  addLookups(app, { services, admission })
  addVectors(app, { services, admission })
  addFeast(app, { services, admission })
  addPublish(app, services)
  addTables(app, services)
  addFeatureViews(app, services)
  addDeletions(app, services)
  addTableRows(app, services)
  addJobs(app, services)
}

function addTraining(app: RestServer, services: Services) {
  app.post(
    '/query/train',
    {
      config: { access: 'train' },
      schema: {
        tags: ['query'],
        operationId: 'queryTrain',
        summary: 'Runs SQL on the warehouse into a dataset, and saves it',
        querystring: save,
        headers: idempotencyHeader(
          'A name for this request, kept for a week: sent again with it, it is the same dataset',
        ),
        body: queryTraining,
        response: { 200: answer('The saved query and its dataset', queryTrained), ...failures },
      },
    },
    async (request, reply) => {
      const { query, dataset } = await services.training.queryTrain({
        sql: request.body.query,
        name: request.body.query_name,
        asOf: request.body.as_of,
        save: request.query.save === 'true',
        waitMs: maxWaitMs,
        idempotencyKey: plainKey(request.headers['idempotency-key']),
      })
      return sendJson(
        reply,
        `{"query_id":${JSON.stringify(query?.id ?? null)},${await encodeDataset(services, dataset)}}`,
      )
    },
  )
  app.post(
    '/extract/train',
    {
      config: { access: 'train' },
      schema: {
        tags: ['extract'],
        operationId: 'extractTrain',
        summary: "Runs a saved query's rows through an ETL into a dataset, and saves the ETL",
        querystring: save,
        body: extractTraining,
        response: { 200: answer('The saved ETL and its dataset', extractTrained), ...failures },
      },
    },
    async (request, reply) => {
      const { etl, dataset } = await services.training.extractTrain({
        queryId: request.body.query_id,
        etlPath: request.body.etl_path,
        asOf: request.body.as_of,
        save: request.query.save === 'true',
        waitMs: maxWaitMs,
      })
      return sendJson(
        reply,
        `{"etl_id":${JSON.stringify(etl?.id ?? null)},${await encodeDataset(services, dataset)},"log":${JSON.stringify(await services.catalog.datasets.log(dataset.id))}}`,
      )
    },
  )
}

function addPublish(app: RestServer, services: Services) {
  app.put(
    '/publish',
    {
      config: { access: 'publish' },
      schema: {
        tags: ['publish'],
        operationId: 'publish',
        summary: 'Writes emulated flows; answers once they are written and served, or after wait_ms',
        querystring: z.object({
          n_flows: z.coerce
            .number()
            .int()
            .min(1)
            .max(maxFlows)
            .meta({ examples: [1000] }),
          seed: z.coerce
            .number()
            .int()
            .min(-(2 ** 31))
            .max(2 ** 31 - 1)
            .optional(),
          wait_ms: waitMs('How long the answer may wait for the end of the job'),
        }),
        response: {
          200: answer('The flows are written and served', published),
          202: answer(
            'The job goes on: GraphQL has it as publishJob(id) and publishProgress(jobId)',
            published,
          ),
          ...failures,
        },
      },
    },
    async ({ query: { n_flows: nFlows, seed, wait_ms: waitMs } }, reply) => {
      const { id: jobId } = await services.publishing.publish({ nFlows, ...(seed !== undefined && { seed }) })
      const job = await services.publishing.wait(jobId, { signal: AbortSignal.timeout(waitMs) })
      if (!isEnded(job.status)) {
        const msg = `${job.done} of ${nFlows} flows are published; the job goes on, here or at another gateway: follow it by GraphQL's publishProgress`
        return reply.status(202).send({ msg, job_id: jobId })
      }
      assertJobSucceeded(job)
      return { msg: `Published ${nFlows} flows`, job_id: jobId }
    },
  )
}

async function encodeDataset({ training }: Services, started: DatasetRecord): Promise<string> {
  const dataset = await end(training, started)
  assertSucceeded(dataset)
  const columns = dataset.columns.map(({ name, type, nullable }) => ({ name, type, nullable }))
  const page = { offset: 0, limit: maxRows }
  const data = await encodePage(training, dataset.id, { page, budget: createAnswerBudget() })
  const truncated = dataset.rowCount !== null && dataset.rowCount > BigInt(maxRows)
  const moment = dataset.asOf === null ? '' : `"as_of":"${formatMicros(dataset.asOf)}",`
  return `${moment}"dataset_id":${JSON.stringify(dataset.id)},"columns":${JSON.stringify(columns)},"data":${data},"truncated":${truncated}`
}

/** What takes longer than one call may wait is followed to its end. */
async function end(training: Services['training'], started: DatasetRecord): Promise<DatasetRecord> {
  let dataset = started
  if (!isEnded(dataset.status)) {
    for await (const state of training.progress(dataset.id)) dataset = state
  }
  return dataset
}

function assertSucceeded(dataset: DatasetRecord) {
  switch (dataset.status) {
    case 'SUCCEEDED':
      return
    case 'FAILED':
      throw new AppError(knownCode(dataset.errorCode), dataset.error ?? `Dataset ${dataset.id} failed`)
    case 'CANCELLED':
      throw new AppError('CONFLICT', `Dataset ${dataset.id} was cancelled`)
    default:
      throw unavailable(
        'STOPPING',
        `This gateway stops before dataset ${dataset.id} is made; it is made by another one, or at the next start: follow it by GraphQL's datasetProgress`,
        { retryAfterSeconds: 5, datasetId: dataset.id },
      )
  }
}

function knownCode(code: string | null): ErrorCode {
  return errorCodes.find((known) => known === code) ?? 'INTERNAL'
}
