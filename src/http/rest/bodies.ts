// What the REST routes' requests and answers have in common, as OpenAPI tells it.

import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { errorCodes } from '../../errors.ts'
import { maxWaitMs, usualWaitMs } from '../../training/limits.ts'
import { columnTypes } from '../../values/columns.ts'
import { keyText } from '../../values/entity-key.ts'
import { microsOfDate, parseMoment } from '../../values/moment.ts'

export const errorCode = z.enum(errorCodes).meta({ id: 'ErrorCode' })
const failure = z
  .object({
    msg: z.string().meta({ description: 'What went wrong, in a few words', examples: ['Not found'] }),
    reason: z.string().describe('What was wrong, where, and what would be right'),
    code: errorCode,
  })
  .meta({ id: 'Failure' })

/** The query's `wait_ms`, described for what the answer waits for. */
export function waitMs(description: string) {
  return z.coerce.number().int().min(0).max(maxWaitMs).default(usualWaitMs).describe(description)
}

/** The header by which a request that is sent again is the same. */
export function idempotencyHeader(description: string) {
  return z.object({ 'idempotency-key': z.string().optional().describe(description) })
}

/** As the standard's draft has it, the header is a text in quotes; many send it without. */
export function plainKey(header: string | undefined): string | undefined {
  return header === undefined ? undefined : (/^"([^"\\]*)"$/.exec(header)?.[1] ?? header)
}

/** An answer as OpenAPI describes it. */
export function answer<Schema extends z.ZodType, Type extends string = 'application/json'>(
  description: string,
  schema: Schema,
  contentType = 'application/json' as Type,
) {
  return { description, content: { [contentType]: { schema } } as Record<Type, { schema: Schema }> }
}

export const failures = {
  '4xx': answer(
    'The request is at fault, or its caller may not ask that: `code` and `reason` say why',
    failure,
  ),
  '5xx': answer('The gateway or what it stands on fails: the same request may be sent again', failure),
}

export const columns = z.array(
  z
    .object({ name: z.string(), type: z.enum(columnTypes).meta({ id: 'ColumnType' }), nullable: z.boolean() })
    .meta({ id: 'Column' }),
)
export const rows = z.array(
  z.record(z.string(), z.unknown()).meta({ id: 'Row', description: 'A value for each column' }),
)

/** Ids are opaque, and letters, digits, _ and - throughout. */
export const idPattern = /^[\w-]+$/
/** No catalog keeps the character NUL. */
const name = z.string().refine((text) => text !== '' && !text.includes('\0'), {
  error: 'it must hold a character, and none that is NUL',
})
const pattern = '^[^\\u0000]+$'
export const queryName = name
  .max(200)
  .meta({ pattern, description: 'Under which the query is saved', examples: ['quote_features'] })
export const queryId = name.meta({
  pattern,
  description: "A saved query's id, its name (the newest version then), or name@version",
  examples: ['qry_01m8pb2qbv7g28z0wcm0y9v0'],
})
export const etlPath = name.meta({
  pattern,
  description: 'Where the ETL lives, or its id in the catalog',
  examples: ['git::https://github.com/acme/features.git//quotes.ts?ref=v1'],
})
export const indexKey = z
  .union([name.meta({ pattern }), z.array(name.meta({ pattern })).min(1).transform(keyText)])
  .meta({ description: 'The column that finds an entity, or a list of several' })

export const asOf = z
  .string()
  .transform((text, context) => {
    const moment = parseMoment(text)
    if (moment !== null) return microsOfDate(moment)
    context.addIssue({ code: 'custom', message: 'it must be RFC 3339 text such as 2026-01-31T12:00:00Z' })
    return z.NEVER
  })
  .optional()
  .meta({ description: 'What as_of() is in the query (RFC 3339): now, unless it is said' })

/** Rows are put in as the text they already are. */
export function sendJson(reply: FastifyReply, text: string) {
  return reply.type('application/json; charset=utf-8').send(text)
}
