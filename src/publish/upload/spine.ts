// An uploaded file of a training set's spine as Parquet with typed columns: done where an engine may hang or take memory.

import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../errors.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { UploadedSpine } from '../../training/sets/spine.ts'
import {
  type NeededColumns,
  readCell,
  type SpineReader,
  spineReader,
} from '../../training/sets/spine-rows.ts'
import type { Column, Row } from '../../values/columns.ts'
import { readArrow } from './arrow-rows.ts'
import { readCsv } from './csv-rows.ts'
import type { UploadFormat } from './formats.ts'
import { readable } from './prepare.ts'
import { createTextCellReader } from './text-cells.ts'

export interface SpineFileRequest {
  /** Where the body is, and the file comes to be. */
  folder: string
  bodyPath: string
  format: UploadFormat
  needed: NeededColumns
  signal: AbortSignal
}

type Engine = Pick<ParquetEngine, 'readFacts' | 'runOver' | 'read' | 'writeFrames'>

/** How a column of the body is read; null where as it is given. */
type Cast = (column: Column) => string | null

const textColumn = (name: string): Column => ({ name, type: 'STRING', nullable: true, storage: 'VARCHAR' })

export function prepareSpine(engine: Engine, request: SpineFileRequest): Promise<UploadedSpine> {
  return readable(request, async () => {
    const { folder, signal } = request
    const { bodyPath, cast } = await toParquet(engine, request)
    const facts = await engine.readFacts([bodyPath], { signal })
    const columns = facts.columns.map(({ name, type }) => ({ ...textColumn(name), storage: type }))
    const path = join(folder, 'spine.parquet')
    const selected = columns.map((column) => {
      const name = quoteName(column.name)
      const type = cast(column)
      return type === null ? name : `CAST(${name} AS ${type}) AS ${name}`
    })
    const written = await engine.runOver({
      sql: `SELECT ${selected.join(', ')} FROM temp.body`,
      inputs: [{ name: 'body', path: bodyPath, columns }],
      outputPath: path,
      signal,
    })
    if (written.rowCount === 0n)
      throw new AppError('BAD_USER_INPUT', 'The spine holds no rows; send at least one.')
    return { path, columns: [...written.columns], rowCount: Number(written.rowCount) }
  })
}

async function toParquet(
  engine: Engine,
  request: SpineFileRequest,
): Promise<{ bodyPath: string; cast: Cast }> {
  const { folder, format, needed, signal } = request
  const path = join(folder, 'body.parquet')
  /** Many write times in nanoseconds, which no warehouse has. */
  const asTime: Cast = ({ name, storage }) =>
    name === needed.timestampColumn && /^TIMESTAMP_/.test(storage) ? 'TIMESTAMP' : null
  switch (format) {
    case 'csv':
      return { bodyPath: path, cast: await writeCsv(engine, request, path) }
    case 'arrow': {
      const { columns, batches } = await readArrow(request)
      await engine.writeFrames({ path, columns, batches, signal })
      return { bodyPath: path, cast: asTime }
    }
    case 'parquet':
      return { bodyPath: request.bodyPath, cast: asTime }
    default:
      throw new AppError('BAD_USER_INPUT', 'A spine is uploaded as Parquet, Arrow or CSV.')
  }
}

function bodyOf({ bodyPath, signal }: SpineFileRequest): AsyncIterable<Buffer> {
  return createReadStream(bodyPath, { signal, highWaterMark: 256 * 1024 })
}

/** Keys, times and request columns are read as what they are; of the others the values tell the type. */
async function writeCsv(engine: Engine, request: SpineFileRequest, path: string): Promise<Cast> {
  const { needed, signal } = request
  const batches = readCsv(bodyOf(request))
  let first: unknown[] = []
  while (first.length === 0) {
    const next = await batches.next()
    if (next.done) break
    first = next.value
  }
  const readers = Object.keys((first[0] as object | undefined) ?? {}).map(
    (name): SpineReader =>
      spineReader(name, needed, createTextCellReader) ?? {
        column: textColumn(name),
        read: (value) => ({ value: String(value) }),
      },
  )
  if (readers.length === 0)
    throw new AppError('BAD_USER_INPUT', 'The spine holds no rows; send at least one.')
  async function* rows(): AsyncGenerator<readonly Row[]> {
    let count = 0
    const read = (objects: readonly unknown[]) =>
      objects.map((object): Row => {
        const row = count++
        return readers.map((reader) => readCell(reader, object as Record<string, unknown>, row))
      })
    yield read(first)
    for await (const batch of batches) yield read(batch)
  }
  const columns = readers.map(({ column }) => column)
  await engine.writeFrames({ path, columns, batches: rows(), signal })
  const others = columns.filter(({ name }) => spineReader(name, needed, createTextCellReader) === null)
  const types = await inferTypes(engine, { ...request, path, columns, others })
  return ({ name }) => types.get(name) ?? null
}

/** No digit of a value is lost: `007` stays a text. */
const tests: readonly [type: string, test: (name: string) => string][] = [
  ['BOOLEAN', (name) => `lower(${name}) IN ('true', 'false')`],
  ['BIGINT', (name) => `regexp_full_match(${name}, '0|-?[1-9][0-9]{0,17}')`],
  [
    'DOUBLE',
    (name) => `regexp_full_match(${name}, '-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?')`,
  ],
]

async function inferTypes(
  engine: Engine,
  {
    path,
    columns,
    others,
    folder,
    signal,
  }: SpineFileRequest & { path: string; columns: readonly Column[]; others: readonly Column[] },
): Promise<Map<string, string>> {
  if (others.length === 0) return new Map()
  const flags = others.flatMap(({ name }, i) =>
    tests.map(
      ([, test], k) => `coalesce(bool_and(${test(quoteName(name))}), false) AS is${i * tests.length + k}`,
    ),
  )
  const outputPath = join(folder, 'types.parquet')
  const inputs = [{ name: 'body', path, columns }]
  const sql = `SELECT ${flags.join(', ')} FROM temp.body`
  const told = await engine.runOver({ sql, inputs, outputPath, signal })
  const [cells = []] = (await engine.read(outputPath, { columns: told.columns, signal })).rows
  const found = others.map(({ name }, i) => {
    const at = tests.findIndex((_, k) => cells[i * tests.length + k] === true)
    return [name, tests[at]?.[0] ?? 'VARCHAR'] as const
  })
  return new Map(found)
}
