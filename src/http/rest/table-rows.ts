// Rows into a table over REST: the body is streamed to disk, whatever its length, and a job writes it.

import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isEnded } from '../../catalog/job-states.ts'
import type { PublishJobRecord } from '../../catalog/publish-jobs.ts'
import { AppError } from '../../errors.ts'
import { uploadTypes } from '../../publish/upload/formats.ts'
import type { Services } from '../../schema/services.ts'
import { answer, failures, idempotencyHeader, idPattern, plainKey, waitMs } from './bodies.ts'
import type { RestServer } from './openapi.ts'

const letGoWithinMs = 30_000
const path = '/tables/:name/rows'

/** Whether a request is one of those that may take as long as they like to come. */
export function isUpload({
  method,
  url = '',
}: {
  method?: string | undefined
  url?: string | undefined
}): boolean {
  return method === 'POST' && /^\/(tables\/[^/?]+\/rows|training-sets)(\?|$)/.test(url)
}

const written = z
  .object({ job_id: z.string(), rows: z.number().int().describe('How many are written and served') })
  .meta({ id: 'WrittenRows' })
const accepted = z.object({ job_id: z.string() }).meta({ id: 'AcceptedRows' })
const job = z
  .object({
    job_id: z.string(),
    status: z.enum(['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED']),
    table: z.string().nullable(),
    total: z.number().int(),
    done: z.number().int().describe('Written and served'),
    waiting_for: z.string().nullable().describe('What keeps it from going on for now'),
    error: z.string().nullable(),
  })
  .meta({ id: 'Job' })

const querystring = z.object({
  wait: z
    .enum(['true', 'false'])
    .default('false')
    .describe('Whether the answer waits for the end of the job'),
  wait_ms: waitMs('How long it may wait then'),
})
const headers = idempotencyHeader(
  'A name for these rows, kept for a week: sent again with it, they are the same job',
)

export function addTableRows(app: RestServer, { publishing }: Services) {
  app.register(async (plain) => {
    const scope = plain.withTypeProvider<ZodTypeProvider>()
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, body, done) => done(null, body))
    scope.post(
      path,
      {
        config: { access: 'publish' },
        schema: {
          tags: ['tables'],
          operationId: 'addRows',
          summary: 'Writes rows to a table, all of them or none',
          description:
            'The names of columns are keys of the objects, or stand in the header or the schema. Values that do not fit are told with row and column before any row is written.',
          consumes: Object.keys(uploadTypes),
          params: z.object({ name: z.string().meta({ examples: ['orders', 'sales.orders'] }) }),
          querystring,
          headers,
          body: z.unknown().meta({ description: 'The rows, in one of these forms' }),
          response: {
            200: answer('The rows are written and served', written),
            202: answer('The rows fit, and are being written: Location has the job', accepted),
            ...failures,
          },
        },
      },
      async (request, reply) => {
        const gone = new AbortController()
        reply.raw.once('close', () => gone.abort(new AppError('TIMEOUT', 'The client has left.')))
        refuseEncoding(request.headers['content-encoding'])
        const given = {
          table: request.params.name,
          body: (request.body ?? request.raw) as Readable,
          contentType: request.headers['content-type'],
          contentLength: request.headers['content-length'],
          idempotencyKey: plainKey(request.headers['idempotency-key']),
          signal: gone.signal,
        }
        const started = await publishing.upload(given).catch((error: unknown) => {
          letGo(request.raw)
          throw error
        })
        reply.header('location', `/jobs/${started.id}`)
        if (request.query.wait === 'false') return reply.status(202).send({ job_id: started.id })
        const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(request.query.wait_ms)])
        const ended = await publishing.wait(started.id, { signal })
        if (!isEnded(ended.status)) return reply.status(202).send({ job_id: ended.id })
        assertSucceeded(ended)
        return reply.status(200).send({ job_id: ended.id, rows: ended.done })
      },
    )
  })
}

export function addJobs(app: RestServer, { catalog }: Services) {
  app.get(
    '/jobs/:id',
    {
      config: { access: ['catalog:read', 'publish', 'erase'] },
      schema: {
        tags: ['publish'],
        operationId: 'job',
        summary: 'How far a publish job is',
        params: z.object({ id: z.string().regex(idPattern) }),
        response: { 200: answer('The job as it stands', job), ...failures },
      },
    },
    async ({ params: { id } }) => {
      const { status, table, total, done, waitingFor, error } = await catalog.publishJobs.byId(id)
      return { job_id: id, status, table, total, done, waiting_for: waitingFor, error }
    },
  )
}

/** What is left of a refused body goes by unread, so that its client reads the answer; not for as long as it likes. */
function letGo(request: IncomingMessage) {
  if (request.complete) return
  const timer = setTimeout(() => request.destroy(), letGoWithinMs)
  request.once('close', () => clearTimeout(timer))
  request.resume()
}

function refuseEncoding(encoding: string | undefined) {
  if (encoding === undefined || encoding === 'identity') return
  throw new AppError(
    'BAD_USER_INPUT',
    `The body comes with Content-Encoding ${encoding}; send it as it is, or as Parquet, which is compressed by itself.`,
  )
}

export function assertSucceeded({ id, status, error }: PublishJobRecord) {
  if (status === 'SUCCEEDED') return
  if (status === 'CANCELLED') throw new AppError('CONFLICT', `Publish job ${id} was cancelled`)
  throw new AppError('WAREHOUSE_FAILED', `Publish job ${id} failed: ${error}`)
}
