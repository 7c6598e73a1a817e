// A body of rows becomes Parquet files that fit a table, or is refused with the faults in it: done where an engine may hang or take memory.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { AppError } from '../../errors.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import { isPlainColumn } from '../../parquet/plain-csv.ts'
import { describeExpected, describeGiven } from '../../values/cells.ts'
import type { Column, Row } from '../../values/columns.ts'
import type { WarehouseTable } from '../../warehouse/port.ts'
import { createRowReader, faulty, type IngestFault, maxFaultsListed } from '../ingest.ts'
import { readArrow } from './arrow-rows.ts'
import { readCsv } from './csv-rows.ts'
import { formatNames, type UploadFormat } from './formats.ts'
import { longestRowBytes, readJsonArray, readNdjson } from './json-rows.ts'
import type { Manifest, UploadPart } from './manifest.ts'
import { createPartWriters } from './part-writers.ts'
import { findPlainCsv } from './plain-csv.ts'
import { createTextCellReader } from './text-cells.ts'

export interface PrepareRequest {
  /** Where the body is, and the files come to be. */
  folder: string
  bodyPath: string
  format: UploadFormat
  table: WarehouseTable
  /** A body may hold so many values: of Parquet a few bytes may stand for any number of them. */
  maxCells: number
  signal: AbortSignal
}

export type Engine = Pick<ParquetEngine, 'readFacts' | 'findFaults' | 'writeFrames' | 'writePlainCsv'>

/** A job counts its rows with 32 bits. */
const maxRows = 2 ** 31 - 1

export async function prepareUpload(engine: Engine, request: PrepareRequest): Promise<Manifest> {
  if ((await stat(request.bodyPath)).size === 0)
    throw new AppError('BAD_USER_INPUT', `The body is empty; it must be ${formatNames[request.format]}.`)
  const manifest = await readable(request, () => prepare(engine, request))
  const rowCount = manifest.parts.reduce((sum, part) => sum + part.rowCount, 0)
  if (rowCount === 0) throw new AppError('BAD_USER_INPUT', 'The body holds no rows; send at least one.')
  return manifest
}

async function prepare(engine: Engine, request: PrepareRequest): Promise<Manifest> {
  switch (request.format) {
    case 'json':
      return prepareRows(engine, request, readJsonArray(bodyOf(request)))
    case 'ndjson':
      return prepareRows(engine, request, readNdjson(bodyOf(request)))
    case 'csv':
      return (
        (await preparePlainCsv(engine, request)) ??
        prepareRows(engine, request, readCsv(bodyOf(request)), createTextCellReader)
      )
    case 'parquet':
      return prepareFiles(engine, request, [request.bodyPath])
    case 'arrow':
      return prepareFiles(engine, request, await writeArrow(engine, request))
  }
}

/** Null where a value or a name may be at fault, or the body may be too large: whoever reads it field by field tells of it. */
async function preparePlainCsv(engine: Engine, request: PrepareRequest): Promise<Manifest | null> {
  const { table, folder, bodyPath, maxCells, signal } = request
  const csv = await findPlainCsv(bodyOf(request))
  if (csv === null || csv.rowCount === 0) return null
  const { names, lineEnd, rowCount } = csv
  if (rowCount > maxRows || rowCount * table.columns.length > maxCells) return null
  if (faultsOfNames(table, names).length > 0) return null
  const brought = new Set(names)
  const columns = table.columns.filter(
    ({ name }) =>
      brought.has(name) ||
      !(table.intake?.computed.includes(name) === true || table.intake?.defaults.includes(name) === true),
  )
  if (!columns.filter(({ name }) => brought.has(name)).every(isPlainColumn)) return null
  const file = 'rows-0.parquet'
  try {
    await engine.writePlainCsv({
      bodyPath,
      lineEnd,
      fields: names,
      path: join(folder, file),
      columns,
      rowCount,
      longestLineBytes: longestRowBytes,
      signal,
    })
  } catch {
    signal.throwIfAborted()
    return null
  }
  return { parts: [{ columns, files: [file], rowCount }] }
}

function bodyOf({ bodyPath, signal }: PrepareRequest): AsyncIterable<Buffer> {
  return createReadStream(bodyPath, { signal, highWaterMark: 256 * 1024 })
}

/** What cannot be read is the body's fault, but for what an engine lacks. */
export async function readable<T>(
  { format, signal }: Pick<PrepareRequest, 'format' | 'signal'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    signal.throwIfAborted()
    const isTold =
      error instanceof AppError && !['WAREHOUSE_FAILED', 'INTERNAL', 'INVALID_SQL'].includes(error.code)
    if (isTold || isOfSystem(error)) throw error
    const reason = error instanceof Error ? error.message.replaceAll(/["']?\/[^\s"']*["']?/g, 'the body') : ''
    throw new AppError('BAD_USER_INPUT', `The body could not be read as ${formatNames[format]}: ${reason}`, {
      cause: error,
    })
  }
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

async function prepareRows(
  engine: Engine,
  { table, folder, maxCells }: PrepareRequest,
  batches: AsyncIterable<readonly unknown[]>,
  createReader?: Parameters<typeof createRowReader>[1],
): Promise<Manifest> {
  const reader = createRowReader(table, createReader)
  const writers = createPartWriters(engine, { table, folder })
  let count = 0
  for await (const objects of batches) {
    for (const object of objects) {
      const cells = reader.read(count++, object)
      assertBounded(count, table.columns.length, maxCells)
      const writing = cells === null || reader.faultCount() > 0 ? undefined : writers.add(cells)
      if (writing !== undefined) await writing
    }
  }
  if (reader.faultCount() > 0) throw faulty(table, count, reader.faults, reader.faultCount())
  return { parts: await writers.end() }
}

function assertBounded(rows: number, columns: number, maxCells: number) {
  if (rows <= maxRows && rows * columns <= maxCells) return
  throw new AppError(
    'TOO_LARGE',
    `The body holds ${rows} rows of ${columns} columns or more; ${Math.min(maxRows, Math.floor(maxCells / columns))} are taken at once (UPLOAD_MAX_MB allows a value for each byte). Send it in parts.`,
  )
}

/** Arrow's types as Parquet has them: from there on the two are the same. */
async function writeArrow(engine: Engine, request: PrepareRequest): Promise<string[]> {
  const { columns, batches } = await readArrow(request)
  const files: string[] = []
  let rows: Row[] = []
  let count = 0
  const flush = async () => {
    const path = join(request.folder, `arrow-${files.length}.parquet`)
    await engine.writeFrames({ path, columns, batches: [rows] })
    files.push(path)
    rows = []
  }
  for await (const batch of batches) {
    for (const row of batch) rows.push(row)
    count += batch.length
    assertBounded(count, columns.length, request.maxCells)
    if (rows.length * columns.length >= cellsPerFile) await flush()
  }
  if (rows.length > 0 || files.length === 0) await flush()
  return files
}

const cellsPerFile = 500_000

async function prepareFiles(
  engine: Engine,
  { table, maxCells, signal }: PrepareRequest,
  files: readonly string[],
): Promise<Manifest> {
  const facts = await engine.readFacts(files, { signal })
  assertBounded(facts.rowCount, facts.columns.length, maxCells)
  const known = new Map(facts.columns.map(({ name, type }) => [name, type]))
  const named = faultsOfNames(table, [...known.keys()])
  if (named.length > 0) throw faulty(table, facts.rowCount, named, named.length)
  const columns = table.columns.flatMap((column) => {
    const type = known.get(column.name)
    return type === undefined ? [] : [{ column, type }]
  })
  const { count, faults } = await engine.findFaults({ files, columns, limit: maxFaultsListed, signal })
  if (count > 0)
    throw faulty(
      table,
      facts.rowCount,
      faults.map((fault) => describeFault(table, fault)),
      count,
    )
  const part: UploadPart = {
    columns: columns.map(({ column }) => column),
    files: files.map((path) => basename(path)),
    rowCount: facts.rowCount,
  }
  return { parts: [part] }
}

/** Columns that the table has not, or that it computes; and those that every row must bring and none does. */
function faultsOfNames({ columns, intake }: WarehouseTable, given: readonly string[]): IngestFault[] {
  const computed = new Set(intake?.computed)
  const open = columns.filter(({ name }) => !computed.has(name))
  const names = new Set(open.map(({ name }) => name))
  const expected = `one of ${[...names].join(', ')}`
  const strange = given
    .filter((name) => !names.has(name))
    .map((name) => ({
      row: 0,
      column: name.slice(0, 100),
      given: computed.has(name)
        ? 'a column that the table computes by itself'
        : 'a column that the table does not have',
      expected,
    }))
  const missing = open.filter(
    ({ name, nullable }) => !nullable && !given.includes(name) && intake?.defaults.includes(name) !== true,
  )
  return [...strange, ...missing.map((column) => missingFault(column))].slice(0, maxFaultsListed)
}

function missingFault({ name }: Column): IngestFault {
  return {
    row: 0,
    column: name,
    given: 'nothing',
    expected: 'a value, since the column of the table may not be null',
  }
}

type FileFault = Awaited<ReturnType<Engine['findFaults']>>['faults'][number]

function describeFault({ columns }: WarehouseTable, { row, column: name, given }: FileFault): IngestFault {
  const column = columns.find((each) => each.name === name)
  if (column === undefined) throw new Error(`There is no column ${name}`)
  if (given.text === null) return { ...missingFault(column), row }
  const isText = given.type === 'VARCHAR' || given.type === 'JSON'
  return {
    row,
    column: name,
    given: isText ? describeGiven(given.text) : `the ${given.type} ${given.text}`,
    expected: describeExpected(column),
  }
}
