// PublishJob: durable work that writes flows or an application's rows and refreshes the online store.

import { z } from 'zod'
import { idPrefix } from '../catalog/ids.ts'
import type { PublishJobRecord } from '../catalog/publish-jobs.ts'
import { AppError } from '../errors.ts'
import { erasureResult } from '../publish/erasure.ts'
import { maxFlows } from '../publish/service.ts'
import { type AuthScopes, jobReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import { addErasure } from './erasure.ts'
import type { JobStatusRef } from './job-status.ts'
import { newestFirst } from './listing.ts'
import type { Services } from './services.ts'

const waitingFor =
  'Why it stands still for now: a store that it needs is away, and the job goes on once that is back.'

export function addPublishJob(builder: Builder, services: Services, jobStatus: JobStatusRef) {
  const erasure = addErasure(builder, services)
  const kind = builder.enumType('PublishKind', {
    description: 'What a publish job writes.',
    values: {
      FLOWS: { description: "Emulated users' journeys." },
      ROWS: { description: "An application's own rows." },
      ERASURE: { description: 'An entity that is taken away.' },
    } as const,
  })

  builder.prismaNode('PublishJob', {
    description: 'Durable work that writes to the warehouse and refreshes the online store.',
    nullable: true,
    authScopes: jobReaders,
    // Field by field: an ingest's rows stay in the database.
    select: { id: true },
    id: { field: 'id' },
    fields: (t) => ({
      kind: t.expose('kind', { type: kind }),
      status: t.expose('status', { type: jobStatus }),
      total: t.exposeInt('total'),
      done: t.exposeInt('done', {
        description: 'Written, and served by every view that is refreshed by key.',
      }),
      seed: t.exposeInt('seed', {
        nullable: true,
        description: 'With it, publish writes the same flows again.',
      }),
      table: t.exposeString('table', { nullable: true, description: 'The table that an ingest writes to.' }),
      flowsPerSecond: t.float({
        nullable: true,
        description: 'Since it was started.',
        select: { done: true, startedAt: true, finishedAt: true },
        resolve: flowsPerSecond,
      }),
      erasure: t.field({
        type: erasure,
        nullable: true,
        description: 'Of an erasure what has come of it so far; whole once it has SUCCEEDED.',
        select: { erasure: true },
        resolve: (job) => (job.erasure === null ? null : erasureResult.parse(job.erasure)),
      }),
      waitingFor: t.exposeString('waitingFor', { nullable: true, description: waitingFor }),
      error: t.exposeString('error', { nullable: true }),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
      startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
      finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true }),
    }),
  })

  builder.objectType('PublishProgress', {
    description: 'Where a publish job stands.',
    authScopes: jobReaders,
    fields: (t) => ({
      jobId: t.exposeID('jobId'),
      status: t.expose('status', { type: jobStatus }),
      total: t.exposeInt('total'),
      done: t.exposeInt('done'),
      flowsPerSecond: t.exposeFloat('flowsPerSecond', { nullable: true }),
      etaSeconds: t.exposeFloat('etaSeconds', { nullable: true }),
      waitingFor: t.exposeString('waitingFor', { nullable: true, description: waitingFor }),
      error: t.exposeString('error', { nullable: true }),
    }),
  })

  builder.queryField('publishJob', (t) =>
    t.prismaField({
      type: 'PublishJob',
      nullable: true,
      authScopes: jobReaders,
      args: { id: t.arg.id({ required: true }) },
      resolve: (query, _root, { id }) =>
        services.catalog.prisma.publishJob.findUnique({ ...query, where: { id } }),
    }),
  )

  builder.queryField('publishJobs', (t) =>
    t.prismaConnection(
      {
        type: 'PublishJob',
        cursor: 'id',
        description: 'Publish jobs, the newest first.',
        authScopes: jobReaders,
        totalCount: () => services.catalog.prisma.publishJob.count(),
        resolve: (query) => services.catalog.prisma.publishJob.findMany({ ...query, orderBy: newestFirst }),
      },
      { name: 'PublishJobConnection' },
      { name: 'PublishJobEdge' },
    ),
  )

  builder.mutationFields((t) => ({
    publish: t.prismaField({
      type: 'PublishJob',
      description: 'Begins to write emulated flows and answers at once; publishProgress tells the rest.',
      authScopes: { publish: true },
      args: {
        nFlows: t.arg.int({ required: true, validate: z.number().min(1).max(maxFlows) }),
        seed: t.arg.int({ description: 'With a seed, the same flows come again.' }),
      },
      resolve: async (_query, _root, { nFlows, seed }) =>
        asStored(await services.publishing.publish({ nFlows, seed })),
    }),
    ingest: t.prismaField({
      type: 'PublishJob',
      description: "Begins to write an application's own rows to a table and answers at once.",
      authScopes: { publish: true },
      args: {
        table: t.arg.string({ required: true }),
        rows: t.arg({ type: 'JSON', required: true, description: 'An array of objects, by column.' }),
        idempotencyKey: t.arg.string({
          description:
            'A name for these rows, kept for a week: the same call again is the same job, never more rows; other rows under it are a CONFLICT.',
        }),
      },
      resolve: async (_query, _root, { table, rows, idempotencyKey }) =>
        asStored(await services.publishing.ingest({ table, rows, idempotencyKey })),
    }),
    eraseEntity: t.prismaField({
      type: 'PublishJob',
      description:
        'Begins to take one entity away, and answers at once: its rows from every table that takes rows and has the key, and from online. `erasure` of the job tells how many went, what is kept and why, and which datasets hold it.',
      authScopes: { erase: true },
      args: {
        indexKey: t.arg.string({
          required: true,
          description: 'The column by which its rows are found; of several a JSON array of their names.',
          validate: z.string().min(1),
        }),
        indexValue: t.arg.string({
          required: true,
          description: 'Its value; of several columns a JSON array of theirs.',
        }),
      },
      resolve: async (_query, _root, { indexKey, indexValue }) =>
        asStored(await services.publishing.eraseEntity({ indexKey, indexValue })),
    }),
    cancelJob: t.field({
      type: builder.nodeInterfaceRef(),
      description: 'Stops a publish job or the making of a dataset. One that has ended is a CONFLICT.',
      authScopes: (_root, { id }) => whoCancels(services, id),
      args: { id: t.arg.id({ required: true }) },
      resolve: (_root, { id }) => cancel(services, id),
    }),
  }))

  builder.subscriptionField('publishProgress', (t) =>
    t.field({
      type: 'PublishProgress',
      description: 'A publish job: first where it stands, then each step, then its end; then it completes.',
      authScopes: jobReaders,
      args: { jobId: t.arg.id({ required: true }) },
      subscribe: async (_root, { jobId }) => {
        await services.catalog.publishJobs.byId(jobId)
        return services.publishing.progress(jobId)
      },
      resolve: (progress) => progress,
    }),
  )
}

/** Not read again: that might fail, and whoever is told so asks a second time. */
function asStored(job: PublishJobRecord) {
  return { ...job, owner: null }
}

/** Who begins such work. */
async function whoCancels({ catalog }: Services, id: string): Promise<Partial<AuthScopes>> {
  if (idPrefix(id) === 'dst') return { train: true }
  const of = { where: { id }, select: { kind: true } } as const
  const job = idPrefix(id) === 'job' ? await catalog.prisma.publishJob.findUnique(of) : null
  return job?.kind === 'ERASURE' ? { erase: true } : { publish: true }
}

async function cancel({ catalog, training, publishing }: Services, id: string) {
  switch (idPrefix(id)) {
    case 'dst':
      await training.cancel(id)
      return { __typename: 'Dataset', ...(await catalog.prisma.dataset.findUniqueOrThrow({ where: { id } })) }
    case 'job':
      await publishing.cancel(id)
      return { __typename: 'PublishJob', id }
    default:
      throw new AppError(
        'BAD_USER_INPUT',
        `cancelJob takes the id of a publish job (job_…) or of a dataset (dst_…), not ${JSON.stringify(id)}`,
      )
  }
}

interface Timing {
  done: number
  startedAt: Date | null
  finishedAt: Date | null
}

function flowsPerSecond({ done, startedAt, finishedAt }: Timing): number | null {
  if (startedAt === null) return null
  const elapsedMs = (finishedAt ?? new Date()).getTime() - startedAt.getTime()
  return elapsedMs > 0 ? (done * 1000) / elapsedMs : null
}
