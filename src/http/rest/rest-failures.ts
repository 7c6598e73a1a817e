// Failures over REST: {msg, reason, code} with a fitting status, whatever failed and wherever.

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import type { Logger } from 'pino'
import { AppError, type ErrorCode } from '../../errors.ts'
import { describeFailure, findAppError, httpAnswerOf } from './failures.ts'

interface RestFailure {
  msg: string
  reason: string
  code: ErrorCode
}

/** What went wrong in a few words; the reason says it whole. */
const titles: Record<ErrorCode, string> = {
  BAD_USER_INPUT: 'The request is not usable',
  INVALID_SQL: 'The SQL is not usable',
  NOT_FOUND: 'Not found',
  UNAUTHENTICATED: 'Not signed in',
  FORBIDDEN: 'Not allowed',
  ETL_LOAD_FAILED: 'The ETL could not be loaded',
  ETL_FAILED: 'The ETL failed',
  SCHEMA_MISMATCH: 'The columns differ from what was trained on',
  WAREHOUSE_FAILED: 'The warehouse failed',
  ONLINE_STORE_UNAVAILABLE: 'The online store does not answer',
  CATALOG_UNAVAILABLE: 'The catalog does not answer',
  TIMEOUT: 'It took too long',
  TOO_LARGE: 'Too large',
  RATE_LIMITED: 'Too many requests',
  CONFLICT: 'In conflict with what is there',
  INTERNAL: 'Something went wrong',
}

export function describeRestFailure(code: ErrorCode, reason: string): RestFailure {
  return { msg: titles[code], reason, code }
}

/** The codes of requests that were answered with a failure. */
export const failureCodes = new WeakMap<FastifyRequest, ErrorCode>()

export function sendRestFailure(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger) {
  const known = unknownContentType(error, request) ?? asAppError(error)
  const { code, message, details } = describeFailure(known ?? error, { requestId: request.id, log })
  const { status, headers } = httpAnswerOf({ code, details })
  failureCodes.set(request, code)
  return reply
    .status((known === null ? null : statusOf(error)) ?? status)
    .headers(headers)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(describeRestFailure(code, message)))
}

/** `allowed`: the methods by which the path may be asked. */
export function sendUnknownRoute(
  request: FastifyRequest,
  reply: FastifyReply,
  allowed: readonly string[] = [],
) {
  const asked = `There is no ${request.method} ${request.url.split('?')[0]}`
  if (allowed.length > 0) {
    failureCodes.set(request, 'BAD_USER_INPUT')
    const reason = `${asked}: it is asked by ${allowed.join(', ')}`
    return reply
      .status(405)
      .header('allow', allowed.join(', '))
      .send(describeRestFailure('BAD_USER_INPUT', reason))
  }
  failureCodes.set(request, 'NOT_FOUND')
  return reply.status(404).send(describeRestFailure('NOT_FOUND', `${asked}; /docs lists what there is`))
}

/** Fastify's own objections to a request, as ours; null for what nobody foresaw. */
export function asAppError(error: unknown): AppError | null {
  const known = findAppError(error)
  if (known !== null) return known
  if (hasZodFastifySchemaValidationErrors(error)) {
    const faults = error.validation.map(({ instancePath, message }) => {
      const where = [error.validationContext, ...instancePath.split('/').filter((part) => part !== '')]
      return `${where.join('.')}: ${message}`
    })
    return new AppError('BAD_USER_INPUT', faults.join('; '), { cause: error })
  }
  const status = statusOf(error)
  if (!(error instanceof Error) || status === null || status < 400 || status > 499) return null
  return new AppError(status === 413 ? 'TOO_LARGE' : 'BAD_USER_INPUT', error.message, { cause: error })
}

/** What the route takes stands in its schema, where it is more than JSON. */
function unknownContentType(error: unknown, { headers, routeOptions }: FastifyRequest): AppError | null {
  if ((error as Partial<FastifyError>).code !== 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return null
  const { consumes = ['application/json'] } = routeOptions.schema ?? {}
  const given = headers['content-type'] ?? 'a body without a content-type'
  return new AppError('BAD_USER_INPUT', `${given} is not taken here; send it as ${consumes.join(' or ')}.`, {
    cause: error,
  })
}

function statusOf(error: unknown): number | null {
  return error instanceof Error ? ((error as Partial<FastifyError>).statusCode ?? null) : null
}
