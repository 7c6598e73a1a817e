// What the REST routes' bodies have in common, as OpenAPI tells it.

import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { errorCodes } from '../../errors.ts'
import { columnTypes } from '../../values/columns.ts'

const failure = z.object({ msg: z.string(), reason: z.string(), code: z.enum(errorCodes) })
export const failures = { '4xx': failure, '5xx': failure }
export const columns = z.array(
  z.object({ name: z.string(), type: z.enum(columnTypes), nullable: z.boolean() }),
)
export const rows = z.array(z.record(z.string(), z.unknown()))
export const id = z.string().min(1)

/** Rows are put in as the text they already are. */
export function sendJson(reply: FastifyReply, text: string) {
  return reply.type('application/json; charset=utf-8').send(text)
}
