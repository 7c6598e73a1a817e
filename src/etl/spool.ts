// Batches of an ETL's output, kept until its columns are known: in memory while they are few, else in a file.

import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Wire } from './isolate/wire.ts'

export interface SpooledBatch {
  keys: readonly string[]
  rows: readonly (readonly Wire[])[]
}

export interface Spool {
  /** `rowsText` is the JSON text of the rows, without a line break. */
  add(keys: readonly string[], rowsText: string): Promise<void>
  /** In the order in which they were added. */
  batches(): AsyncIterable<SpooledBatch>
  remove(): Promise<void>
}

export function createSpool({
  folder,
  memoryLimit = 32_000_000,
}: {
  folder: string
  memoryLimit?: number
}): Spool {
  const path = join(folder, `etl-${randomUUID()}.ndjson`)
  let lines: string[] = []
  let length = 0
  let file: FileHandle | null = null

  async function flush(): Promise<void> {
    if (file === null) {
      await mkdir(folder, { recursive: true })
      file = await open(path, 'wx', 0o600)
    }
    const text = lines.join('')
    lines = []
    length = 0
    await file.appendFile(text)
  }

  async function* texts(): AsyncIterable<string> {
    if (file !== null) {
      await flush()
      yield* createInterface({
        input: createReadStream(path, { highWaterMark: 1 << 20 }),
        crlfDelay: Number.POSITIVE_INFINITY,
      })
      return
    }
    for (const [i, line] of lines.entries()) {
      lines[i] = ''
      yield line
    }
  }

  return {
    async add(keys, rowsText) {
      const line = `[${JSON.stringify(keys)},${rowsText}]\n`
      lines.push(line)
      length += line.length
      if (length > memoryLimit || (file !== null && length > 1_000_000)) await flush()
    },
    async *batches() {
      for await (const text of texts()) {
        const [keys, rows]: [string[], Wire[][]] = JSON.parse(text)
        yield { keys, rows }
      }
    },
    async remove() {
      lines = []
      await file?.close()
      file = null
      await rm(path, { force: true })
    },
  }
}
