// Uploads of rows: a folder each among the datasets' files, where every gateway on the catalog finds them, from the first byte until they are written.

import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Logger } from 'pino'
import { AppError } from '../../errors.ts'
import { diskFullError, isDiskFull } from '../../full-disk.ts'
import { processMemoryMb, startEngine } from '../../processes/engine-process.ts'
import type { UploadedSpine } from '../../training/sets/spine.ts'
import type { NeededColumns } from '../../training/sets/spine-rows.ts'
import type { Column, Row } from '../../values/columns.ts'
import type { TableFiles, WarehouseTable } from '../../warehouse/port.ts'
import type { UploadFormat } from './formats.ts'
import { filesOf, type Manifest, readManifest, writeManifest } from './manifest.ts'
import { receiveBody, tooLong } from './receive.ts'

export interface UploadOptions {
  /** Of datasets; absolute. */
  datasetsFolder: string
  temporaryFolder: string
  memoryMb: number
  maxBytes: number
  /** A client may send nothing for so long. */
  stallTimeoutMs: number
  log: Logger
}

export interface Upload {
  /** Of its folder. */
  name: string
  /** Of its body, its format and its table. */
  sha256: Buffer
  format: UploadFormat
}

interface Received {
  format: UploadFormat
  table: string
  /** As its client says; NaN where it does not. */
  length: number
}

export interface Uploads {
  /** Rejects when it is too long, its client stops sending or leaves, or there is no room for it; nothing of it stays then. */
  receive(body: Readable, given: Received): Promise<Upload>
  /** Makes files for the table of it, or rejects with the faults in it; it stays. */
  prepare(upload: Upload, table: WarehouseTable, signal: AbortSignal): Promise<Manifest>
  /** Makes a Parquet file of a training set's spine, or rejects with what is wrong in it; it stays. */
  spine(upload: Upload, needed: NeededColumns, signal: AbortSignal): Promise<UploadedSpine>
  /** The rows of columns, in batches. */
  rows(files: TableFiles, columns: readonly Column[]): AsyncIterable<readonly Row[]>
  /** NOT_FOUND when they are not in this gateway's folder. */
  files(name: string, table: string): Promise<TableFiles[]>
  remove(name: string): Promise<void>
  /** Removes those that nothing has been written to for so long, by default an hour, and that are not needed. */
  sweep(needed: () => Promise<readonly string[]>, abandonedAfterMs?: number): Promise<void>
  close(): Promise<void>
}

const [folderName, bodyName] = ['uploads', 'body']
const hourMs = 3_600_000

export async function createUploads(options: UploadOptions): Promise<Uploads> {
  const { maxBytes, stallTimeoutMs, log } = options
  const root = join(options.datasetsFolder, folderName)
  await mkdir(root, { recursive: true })
  const engine = await startEngine({
    name: 'uploads',
    entry: new URL('./upload-child.ts', import.meta.url),
    options: {
      folders: [root],
      memoryMb: options.memoryMb,
      temporaryFolder: join(options.temporaryFolder, 'uploads'),
    },
    memoryMb: processMemoryMb(options.memoryMb),
    isLazy: true,
    // Rows pass through: room for many that are gone already takes 100 MB and saves no time.
    execArgv: ['--max-semi-space-size=4'],
    log,
  })
  const folderOf = (name: string) => join(root, name)
  const remove = (name: string) => rm(folderOf(name), { recursive: true, force: true })

  async function receive(body: Readable, { format, table, length }: Received): Promise<Upload> {
    if (length > maxBytes) throw tooLong(maxBytes)
    const name = randomUUID()
    // It starts while the body comes; who needs it hears of it.
    engine.call('start', null).catch(() => undefined)
    const hash = createHash('sha256').update(JSON.stringify([format, table]))
    try {
      await mkdir(folderOf(name))
      const take = (piece: Buffer) => void hash.update(piece)
      await receiveBody(body, join(folderOf(name), bodyName), { maxBytes, stallTimeoutMs, take })
      return { name, format, sha256: hash.digest() }
    } catch (error) {
      await remove(name)
      throw isDiskFull(error) ? diskFullError('TOO_LARGE', 'uploads (DATASETS_DIR)', error) : error
    }
  }

  async function prepare({ name, format }: Upload, table: WarehouseTable, signal: AbortSignal) {
    const folder = folderOf(name)
    const request = { folder, bodyPath: join(folder, bodyName), format, table, maxCells: maxBytes }
    const manifest = await engine.call<Manifest>('prepare', request, { signal })
    await writeManifest(folder, manifest)
    if (!manifest.parts.some(({ files }) => files.includes(bodyName))) await rm(join(folder, bodyName))
    return manifest
  }

  function spine({ name, format }: Upload, needed: NeededColumns, signal: AbortSignal) {
    const folder = folderOf(name)
    // Of what is needed the columns alone: the rest does not pass between processes.
    const references = needed.references.map(({ keys }) => ({ keys }))
    const request = { folder, bodyPath: join(folder, bodyName), format, needed: { ...needed, references } }
    return engine.call<UploadedSpine>('spine', request, { signal })
  }

  async function* rows({ files }: TableFiles, columns: readonly Column[]) {
    for (const path of files) {
      const { batches } = await engine.stream<object, readonly Row[]>('scan', { path, columns })
      yield* batches
    }
  }

  async function files(name: string, table: string): Promise<TableFiles[]> {
    const folder = folderOf(name)
    const manifest = await readManifest(folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT') throw cause
      throw new AppError(
        'NOT_FOUND',
        'The rows that were uploaded are not in the DATASETS_DIR of the gateway that was to write them; gateways that share a catalog share that folder. Send them again.',
        { cause },
      )
    })
    return filesOf(manifest, { table, folder })
  }

  async function sweep(needed: () => Promise<readonly string[]>, abandonedAfterMs = hourMs) {
    const names = await readdir(root)
    const old: string[] = []
    for (const name of names)
      if (Date.now() - (await lastChange(folderOf(name))) > abandonedAfterMs) old.push(name)
    if (old.length === 0) return
    const kept = new Set(await needed())
    for (const name of old.filter((each) => !kept.has(each))) {
      log.info({ upload: name }, 'An upload that nobody needs is removed')
      await remove(name)
    }
  }

  return { receive, prepare, spine, rows, files, remove, sweep, close: engine.close }
}

async function lastChange(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => [])
  const moments = await Promise.all(
    [folder, ...names.map((name) => join(folder, name))].map((path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  )
  return Math.max(...moments)
}
