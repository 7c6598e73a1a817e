// Batches of an ETL's output, kept until its columns are known: in memory while they are few, else in a file.

import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import type { OutputRows } from './messages.ts'

export interface Spool {
  add(batch: OutputRows): Promise<void>
  /** In the order in which they were added; once. */
  batches(): AsyncIterable<OutputRows>
  remove(): Promise<void>
}

const memoryBytes = 32_000_000
/** How much goes into the file at once. */
const flushBytes = 4_000_000

export function createSpool(folder: string): Spool {
  const path = join(folder, `etl-${randomUUID()}.spool`)
  let batches: OutputRows[] = []
  let bytes = 0
  let file: FileHandle | null = null
  const lengths: number[] = []

  async function flush(): Promise<void> {
    if (file === null) {
      await mkdir(folder, { recursive: true })
      file = await open(path, 'wx+', 0o600)
    }
    const parts = batches.map((batch) => serialize(batch))
    batches = []
    bytes = 0
    for (const { length } of parts) lengths.push(length)
    await file.appendFile(Buffer.concat(parts))
  }

  async function* fromFile(from: FileHandle): AsyncIterable<OutputRows> {
    let position = 0
    for (const length of lengths) {
      const part = Buffer.allocUnsafeSlow(length)
      for (let read = 0; read < length; ) {
        const { bytesRead } = await from.read(part, read, length - read, position + read)
        if (bytesRead === 0) throw new Error(`The file ${path} ends before its last batch`)
        read += bytesRead
      }
      position += length
      yield deserialize(part) as OutputRows
    }
  }

  return {
    async add(batch) {
      batches.push(batch)
      bytes += batch.data.byteLength
      if (bytes > memoryBytes || (file !== null && bytes > flushBytes)) await flush()
    },
    async *batches() {
      if (file !== null) {
        await flush()
        yield* fromFile(file)
        return
      }
      for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) yield batch
    },
    async remove() {
      batches = []
      await file?.close()
      file = null
      await rm(path, { force: true })
    },
  }
}
