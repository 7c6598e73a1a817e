// How much a caller may send in one request or message, known before any of it is kept.

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Identity } from '../../access/identity.ts'
import { AppError } from '../../errors.ts'
import type { HeldBytes } from './held-bytes.ts'

const megabyte = 1024 * 1024

/** An ingest's rows. */
export const maxRowsBytes = 32 * megabyte
/** All else: ten thousand index values of four hundred characters each, say. */
export const maxPlainBytes = 4 * megabyte

/** Of a refused body's announced length, so much is taken and let go by at most. */
const maxLetGoBytes = 2 * maxRowsBytes

/**
 * Whether what is left of a refused body is let go by. A client that still sends when its connection is closed may not
 * get to read why; one that sends without an end is not waited for.
 */
export function isLetGo(headers: IncomingHttpHeaders): boolean {
  return Number(headers['content-length']) <= maxLetGoBytes
}

/** Only who may publish has rows to send, or who trains on those of a spine. */
export function maxBytesOf(identity: Identity | null): number {
  const hasRows = identity?.grants('publish') === true || identity?.grants('train') === true
  return hasRows ? maxRowsBytes : maxPlainBytes
}

export function tooManyBytes(most: number): AppError {
  return new AppError(
    'TOO_LARGE',
    `What was sent is longer than ${most / megabyte} MB, the most that this caller may send at once; send it in several requests`,
  )
}

/**
 * Rejects as soon as the body is known to be longer than `most`, or to have no room beside what others hold. What is left
 * of it is then for the server to let go by. It counts as held until its request is answered.
 */
export async function readBody(
  { headers, raw: { socket } }: Pick<FastifyRequest, 'headers' | 'raw'>,
  body: Readable,
  { most, held }: { most: number; held: Pick<HeldBytes, 'keep' | 'refusal'> },
): Promise<Buffer> {
  if (Number(headers['content-length']) > most) throw tooManyBytes(most)
  const pieces: Buffer[] = []
  let length = 0
  try {
    for await (const piece of body.iterator({ destroyOnReturn: false })) {
      length += piece.length
      if (length > most) throw tooManyBytes(most)
      if (!held.keep(socket, length)) throw held.refusal()
      pieces.push(piece)
    }
  } finally {
    body.resume()
  }
  return Buffer.concat(pieces, length)
}
