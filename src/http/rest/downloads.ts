// Datasets as files: GET /datasets/<id>.<format>, whole or by ranges, so that readers by URL know how long one is and take what they need.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { LinkQuery } from '../../access/download-links.ts'
import { AppError } from '../../errors.ts'
import type { Services } from '../../schema/services.ts'
import { contentTypes, downloadFormats } from '../../training/download.ts'
import type { RouteAccess } from '../guards/route-access.ts'
import { failures, idPattern } from './bodies.ts'
import { parseByteRange } from './byte-range.ts'
import type { RestServer } from './openapi.ts'

const methods = [
  {
    method: 'GET',
    operationId: 'downloadDataset',
    summary: "A dataset's file, whole or by a range of bytes",
  },
  {
    method: 'HEAD',
    operationId: 'describeDataset',
    summary: "How long a dataset's file is, and of what type",
  },
] as const

const params = z.object({
  id: z
    .string()
    .regex(idPattern)
    .meta({ examples: ['dst_01m8pb2qbv7g28z0wcm0y9v0'] }),
  format: z.enum(downloadFormats).meta({ id: 'DownloadFormat' }),
})
const querystring = z.object({
  expires: z.string().optional().describe('Of a signed link, as GraphQL gives it'),
  signature: z.string().optional().describe('Of a signed link: no other sign-in is needed then'),
})

const binary = z.string().meta({ format: 'binary' })
const file = {
  content: Object.fromEntries(
    Object.values(contentTypes).map((contentType) => [contentType.split(';')[0], { schema: binary }]),
  ),
}
const answers = {
  200: { description: 'The whole file', ...file },
  206: { description: 'The bytes of the range that was asked for', ...file },
  304: z.null().describe('The copy that is known (If-None-Match) is this one'),
  ...failures,
}

export function addDownloads(app: RestServer, { training, access }: Pick<Services, 'training' | 'access'>) {
  /** A signed link is enough by itself, for readers that send no headers of ours. */
  function judge(request: FastifyRequest): RouteAccess {
    const query = request.query as LinkQuery
    if (access.downloadLinks === null || (query.signature === undefined && query.expires === undefined))
      return 'train'
    access.downloadLinks.check(request.url.split('?', 1)[0] ?? '', query)
    return 'open'
  }

  for (const { method, operationId, summary } of methods) {
    app.route({
      method,
      url: '/datasets/:id.:format',
      exposeHeadRoute: false,
      config: { access: judge },
      schema: { tags: ['datasets'], operationId, summary, params, querystring, response: answers },
      handler: async (request, reply) => {
        const gone = new AbortController()
        reply.raw.once('close', () => gone.abort(new AppError('TIMEOUT', 'The client has left.')))
        const { id, format } = request.params
        const download = await training.download(id, format, gone.signal)
        reply
          .type(download.contentType)
          .header('content-disposition', `attachment; filename="${download.fileName}"`)
          .header('cache-control', 'private, no-cache')
        return sendFile(request, reply, download.path)
      },
    })
  }
}

async function sendFile(request: FastifyRequest, reply: FastifyReply, path: string) {
  const { size, mtimeMs } = await stat(path).catch((cause: unknown) => {
    throw new AppError('NOT_FOUND', 'The file of this dataset is gone; run its query again', { cause })
  })
  const etag = `"${size.toString(16)}-${Math.floor(mtimeMs).toString(16)}"`
  reply.header('etag', etag).header('accept-ranges', 'bytes')
  if (isKnown(request, etag)) return reply.status(304).send()

  const range = parseByteRange(wantedRange(request, etag), size)
  if (range === 'unsatisfiable') {
    reply.status(416).header('content-range', `bytes */${size}`).type('application/json')
    return reply.send({
      msg: 'No such range',
      reason: `The file has ${size} bytes; the range ${request.headers.range} lies beyond them`,
      code: 'BAD_USER_INPUT',
    })
  }
  const { start, end } = range ?? { start: 0, end: size - 1 }
  if (range !== null) reply.status(206).header('content-range', `bytes ${start}-${end}/${size}`)
  reply.header('content-length', end - start + 1)
  if (request.method === 'HEAD') return reply.send()
  return reply.send(createReadStream(path, { start, end }))
}

/** Whether the client's copy is this one (If-None-Match). */
function isKnown(request: FastifyRequest, etag: string): boolean {
  const header = request.headers['if-none-match']
  if (header === undefined) return false
  const opaque = (tag: string) => tag.trim().replace(/^W\//, '')
  return header.trim() === '*' || header.split(',').some((tag) => opaque(tag) === opaque(etag))
}

/** With If-Range the range counts only for the very file that the client knows; a date is never taken for that. */
function wantedRange(request: FastifyRequest, etag: string): string | undefined {
  const condition = request.headers['if-range']
  return condition === undefined || condition === etag ? request.headers.range : undefined
}
