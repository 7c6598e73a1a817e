// A body on its way to a file: whatever its length, a few pieces of it are held.

import { on, once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { AppError } from '../../errors.ts'
import { freeBuffer } from '../../spent-buffer.ts'

export interface ReceiveOptions {
  maxBytes: number
  /** A client may send nothing for so long. */
  stallTimeoutMs: number
  /** Sees each piece, which it may not keep. */
  take(piece: Buffer): void
}

/** Written at once, while as much comes in. */
const writtenBytes = 1024 * 1024
/** Pieces that wait to be looked at before the client is held back. */
const waitingPieces = 16

/** Resolves once all of it is on the disk. A body that is refused is left as it is: its client is still to be answered. */
export async function receiveBody(
  body: Readable,
  path: string,
  { maxBytes, stallTimeoutMs, take }: ReceiveOptions,
): Promise<void> {
  const target = createWriteStream(path, { flush: true, highWaterMark: writtenBytes })
  const written = finished(target)
  written.catch(() => undefined)
  const stalled = createStall(stallTimeoutMs)
  try {
    let length = 0
    for await (const piece of piecesOf(body, stalled.signal)) {
      stalled.refresh()
      length += piece.length
      if (length > maxBytes) throw tooLong(maxBytes)
      take(piece)
      if (!target.write(piece, () => freeBuffer(piece))) await Promise.race([once(target, 'drain'), written])
    }
    target.end()
    await written
  } catch (error) {
    target.destroy()
    stalled.signal.throwIfAborted()
    throw error
  } finally {
    stalled.end()
  }
}

/** As they come: what a stream gives to a loop over it may be a copy of several. */
async function* piecesOf(body: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  const events = on(body, 'data', { close: ['end', 'close'], highWaterMark: waitingPieces, signal })
  for await (const [piece] of events) yield piece as Buffer
  if (!body.readableEnded) throw new AppError('TIMEOUT', 'The client has left.')
}

export function tooLong(maxBytes: number): AppError {
  return new AppError(
    'TOO_LARGE',
    `The body is longer than ${maxBytes / 1024 / 1024} MB, the most that one upload may bring (UPLOAD_MAX_MB); send it in parts.`,
  )
}

function createStall(afterMs: number) {
  const controller = new AbortController()
  const timer = setTimeout(() => {
    const message = `Nothing of the body came for ${afterMs / 1000} s (STALL_TIMEOUT_SECONDS).`
    controller.abort(new AppError('TIMEOUT', message))
  }, afterMs)
  return { signal: controller.signal, refresh: () => timer.refresh(), end: () => clearTimeout(timer) }
}
