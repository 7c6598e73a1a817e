// REST, for clients of the earlier API: the five routes, over the same services as GraphQL.

import { z } from 'zod'
import { longestName } from '../../catalog/database/violations.ts'
import type { DatasetRecord } from '../../catalog/datasets.ts'
import { isEnded } from '../../catalog/job-states.ts'
import { AppError, type ErrorCode, errorCodes, unavailable } from '../../errors.ts'
import { maxFlows } from '../../publish/service.ts'
import { createAnswerBudget } from '../../schema/answer-budget.ts'
import { encodePage } from '../../schema/dataset-page.ts'
import type { Services } from '../../schema/services.ts'
import { maxWaitMs } from '../../training/limits.ts'
import type { Admission } from '../guards/admission.ts'
import { columns, failures, id, rows, sendJson } from './bodies.ts'
import { addLookups } from './lookups.ts'
import type { RestServer } from './openapi.ts'
import { addTables } from './tables.ts'

/** A training answer holds so many rows at most; the dataset has them all. */
const mostRows = 1_000

const save = z.object({ save: z.enum(['true', 'false']).default('true') })

const trained = z.object({
  dataset_id: z.string(),
  columns,
  data: rows.describe(`The first ${mostRows} rows`),
  truncated: z.boolean().describe('Whether the dataset has more rows than these'),
})
const published = z.object({ msg: z.string(), job_id: z.string() })

export function addRest(
  app: RestServer,
  { services, admission }: { services: Services; admission: Pick<Admission, 'chargerOf'> },
) {
  addTraining(app, services)
  addLookups(app, { services, admission })
  addPublish(app, services)
  addTables(app, services)
}

function addTraining(app: RestServer, services: Services) {
  app.post(
    '/query/train',
    {
      config: { access: 'train' },
      schema: {
        tags: ['query'],
        summary: 'Runs SQL on the warehouse into a dataset, and saves it',
        querystring: save,
        body: z.object({ query: z.string().min(1), query_name: z.string().min(1).max(longestName) }),
        response: { 200: trained.extend({ query_id: z.string().nullable() }), ...failures },
      },
    },
    async (request, reply) => {
      const { query, dataset } = await services.training.queryTrain({
        sql: request.body.query,
        name: request.body.query_name,
        save: request.query.save === 'true',
        waitMs: maxWaitMs,
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
        summary: "Runs a saved query's rows through an ETL into a dataset, and saves the ETL",
        querystring: save,
        body: z.object({ query_id: id, etl_path: z.string().min(1) }),
        response: { 200: trained.extend({ etl_id: z.string().nullable() }), ...failures },
      },
    },
    async (request, reply) => {
      const { etl, dataset } = await services.training.extractTrain({
        queryId: request.body.query_id,
        etlPath: request.body.etl_path,
        save: request.query.save === 'true',
        waitMs: maxWaitMs,
      })
      return sendJson(
        reply,
        `{"etl_id":${JSON.stringify(etl?.id ?? null)},${await encodeDataset(services, dataset)}}`,
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
        summary: 'Writes emulated flows; answers once they are written and served',
        querystring: z.object({
          n_flows: z.coerce.number().int().min(1).max(maxFlows),
          seed: z.coerce.number().int().optional(),
        }),
        response: { 200: published, 202: published.describe('Under way: the gateway stops'), ...failures },
      },
    },
    async ({ query: { n_flows: nFlows, seed } }, reply) => {
      const { id: jobId } = await services.publishing.publish({ nFlows, ...(seed !== undefined && { seed }) })
      const job = await services.publishing.wait(jobId)
      if (job.status === 'SUCCEEDED') return { msg: `Published ${nFlows} flows`, job_id: jobId }
      if (!isEnded(job.status)) {
        const msg = `This gateway stops with ${job.done} of ${nFlows} flows published; another one, or its next start, goes on with the job`
        return reply.status(202).send({ msg, job_id: jobId })
      }
      const reason = `Publish job ${jobId} ${job.status === 'CANCELLED' ? 'was cancelled' : `failed: ${job.error}`}`
      throw new AppError(job.status === 'CANCELLED' ? 'CONFLICT' : 'WAREHOUSE_FAILED', reason)
    },
  )
}

async function encodeDataset({ training }: Services, started: DatasetRecord): Promise<string> {
  const dataset = await end(training, started)
  assertSucceeded(dataset)
  const columns = dataset.columns.map(({ name, type, nullable }) => ({ name, type, nullable }))
  const page = { offset: 0, limit: mostRows }
  const data = await encodePage(training, dataset.id, { page, budget: createAnswerBudget() })
  const truncated = dataset.rowCount !== null && dataset.rowCount > BigInt(mostRows)
  return `"dataset_id":${JSON.stringify(dataset.id)},"columns":${JSON.stringify(columns)},"data":${data},"truncated":${truncated}`
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
