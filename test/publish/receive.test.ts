// A body on its way to a file: what it brings is there byte for byte, what it took is given back at once, and a file that cannot be written says so.

import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, expect, test } from 'vitest'
import { receiveBody } from '../../src/publish/upload/receive.ts'

const folder = await mkdtemp(join(tmpdir(), 'receive-'))
afterAll(() => rm(folder, { recursive: true }))

const options = { maxBytes: 2 ** 30, stallTimeoutMs: 10_000, take: () => undefined }

/** Each with memory of its own, as a socket gives them. */
function createPieces(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const piece = Buffer.allocUnsafeSlow(64 * 1024 - (i % 7))
    randomBytes(piece.length).copy(piece)
    return piece
  })
}

test('every byte is in the file, and the memory of every piece is given back', async () => {
  const pieces = createPieces(300)
  const expected = createHash('sha256')
  for (const piece of pieces) expected.update(piece)
  const seen = createHash('sha256')
  const path = join(folder, 'whole')
  const take = (piece: Buffer) => void seen.update(piece)
  await receiveBody(Readable.from(pieces), path, { ...options, take })
  const stored = createHash('sha256').update(await readFile(path))
  expect(stored.digest('hex')).toBe(expected.copy().digest('hex'))
  expect(seen.digest('hex')).toBe(expected.digest('hex'))
  expect(pieces.filter(({ buffer }) => !(buffer as ArrayBuffer).detached)).toEqual([])
})

test('pieces that share their memory with others are left alone', async () => {
  const shared = Buffer.allocUnsafeSlow(128 * 1024).fill('a')
  const path = join(folder, 'shared')
  await receiveBody(Readable.from([shared.subarray(0, 64 * 1024), shared.subarray(64 * 1024)]), path, options)
  expect(shared.every((byte) => byte === 97)).toBe(true)
  expect(await readFile(path)).toEqual(shared)
})

test('a body that is too long, breaks off, stops coming or has no place to go is told as that', async () => {
  const path = join(folder, 'refused')
  const long = receiveBody(Readable.from(createPieces(4)), path, { ...options, maxBytes: 100_000 })
  await expect(long).rejects.toMatchObject({ code: 'TOO_LARGE' })

  async function* broken() {
    yield createPieces(1)[0]
    throw new Error('the connection is gone')
  }
  await expect(receiveBody(Readable.from(broken()), path, options)).rejects.toThrow('the connection is gone')

  const left = new Readable({ read: () => undefined })
  left.push('a')
  setImmediate(() => left.destroy())
  await expect(receiveBody(left, path, options)).rejects.toThrow('The client has left')

  const stopped = new Readable({ read: () => undefined })
  stopped.push('a')
  const stalled = receiveBody(stopped, path, { ...options, stallTimeoutMs: 50 })
  await expect(stalled).rejects.toMatchObject({ code: 'TIMEOUT' })
  expect(stopped.destroyed).toBe(false)

  const nowhere = receiveBody(Readable.from(createPieces(40)), join(folder, 'missing', 'file'), options)
  await expect(nowhere).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(receiveBody(Readable.from(createPieces(40)), '/dev/full', options)).rejects.toMatchObject({
    code: 'ENOSPC',
  })
})
