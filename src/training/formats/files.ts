// Datasets in the formats that are not stored, as files: readers by URL want to know how long one is, and to take parts of it.

import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../errors.ts'

/** Files beyond these together go, those first that were asked for longest ago. */
const maxBytes = 4 * 1024 ** 3
/** A file that nobody has asked for goes after so long, and none before. */
const keptForMs = 600_000
const keptAtLeastMs = 60_000

export interface FormatFiles {
  /**
   * The path of the whole file, which is made when it is not there; once, however many wait for it. Rejects with the
   * signal's reason when it aborts before; when nobody waits any more, the making ends.
   */
  get(request: FileRequest): Promise<string>
  /** Whoever has it open reads on. */
  remove(name: string): Promise<void>
  close(): Promise<void>
}

interface FileRequest {
  name: string
  make(signal: AbortSignal): AsyncIterable<string | Uint8Array>
  /** The file is as old as this one, so that who knows a part of it may go on when it is made again. */
  source: string
  signal: AbortSignal
}

interface Making {
  path: Promise<string>
  waiting: number
  controller: AbortController
}

export function createFormatFiles(folder: string): FormatFiles {
  const making = new Map<string, Making>()
  const kept = new Map<string, { bytes: number; askedAtMs: number }>()
  const sweeping = setInterval(() => void sweep(), keptForMs / 10).unref()

  async function make({ name, make: contents, source }: FileRequest, signal: AbortSignal) {
    const path = join(folder, name)
    const unfinished = `${path}.${randomUUID()}`
    await mkdir(folder, { recursive: true })
    try {
      await pipeline(
        Readable.from(contents(signal), { objectMode: false, highWaterMark: 65_536 }),
        createWriteStream(unfinished),
        { signal },
      )
      const { mtime } = await stat(source)
      await utimes(unfinished, mtime, mtime)
      await rename(unfinished, path)
      kept.set(name, { bytes: (await stat(path)).size, askedAtMs: Date.now() })
      await sweep()
      return path
    } catch (error) {
      await rm(unfinished, { force: true })
      throw error
    }
  }

  function begin(request: FileRequest): Making {
    const controller = new AbortController()
    const begun = { path: make(request, controller.signal), waiting: 0, controller }
    making.set(request.name, begun)
    // Who waits hears of a failure; perhaps nobody does any more.
    begun.path.catch(() => undefined).finally(() => forget(request.name, begun))
    return begun
  }

  function forget(name: string, begun: Making) {
    if (making.get(name) === begun) making.delete(name)
  }

  async function sweep() {
    const oldest = [...kept].sort(([, a], [, b]) => a.askedAtMs - b.askedAtMs)
    let bytes = oldest.reduce((sum, [, file]) => sum + file.bytes, 0)
    for (const [name, file] of oldest) {
      const idleMs = Date.now() - file.askedAtMs
      if (idleMs < keptForMs && (bytes <= maxBytes || idleMs < keptAtLeastMs)) continue
      bytes -= file.bytes
      kept.delete(name)
      await rm(join(folder, name), { force: true })
    }
  }

  return {
    async get(request) {
      const { name, signal } = request
      const file = kept.get(name)
      if (file !== undefined) {
        file.askedAtMs = Date.now()
        return join(folder, name)
      }
      const under = making.get(name) ?? begin(request)
      under.waiting++
      try {
        return await until(under.path, signal)
      } finally {
        under.waiting--
        if (under.waiting === 0) {
          forget(name, under)
          under.controller.abort(new Error('Nobody waits for the file any more'))
        }
      }
    },
    async remove(name) {
      making.get(name)?.controller.abort(new AppError('NOT_FOUND', `The dataset of ${name} was deleted`))
      await making.get(name)?.path.catch(() => undefined)
      kept.delete(name)
      await rm(join(folder, name), { force: true })
    },
    async close() {
      clearInterval(sweeping)
      const all = [...making.values()]
      for (const { controller } of all) controller.abort(new Error('The gateway stops'))
      await Promise.allSettled(all.map(({ path }) => path))
    },
  }
}

/** The promise, or the signal's reason when it aborts before. */
function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason)
    if (signal.aborted) return giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}
