// How much a caller may send in one request or message, known before any of it is kept.

import type { Readable } from 'node:stream'
import type { Identity } from '../../access/identity.ts'
import { AppError } from '../../errors.ts'

const megabyte = 1024 * 1024

/** An ingest's rows. */
export const mostRowsBytes = 32 * megabyte
/** All else: ten thousand index values of four hundred characters each, say. */
export const mostPlainBytes = 4 * megabyte

/** Only who may publish has rows to send. */
export function mostBytesOf(identity: Identity | null): number {
  return identity?.grants('publish') === true ? mostRowsBytes : mostPlainBytes
}

export function tooManyBytes(most: number): AppError {
  return new AppError(
    'TOO_LARGE',
    `What was sent is longer than ${most / megabyte} MB, the most that this caller may send at once; send it in several requests`,
  )
}

/** Rejects with TOO_LARGE as soon as it is known. What is left of the body is then for the server to let go by. */
export async function readBody(
  { headers, body }: { headers: { 'content-length'?: string | undefined }; body: Readable },
  most: number,
): Promise<Buffer> {
  if (Number(headers['content-length']) > most) throw tooManyBytes(most)
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of body.iterator({ destroyOnReturn: false })) {
    length += piece.length
    if (length > most) throw tooManyBytes(most)
    pieces.push(piece)
  }
  return Buffer.concat(pieces, length)
}
