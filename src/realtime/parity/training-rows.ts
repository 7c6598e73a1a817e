// What training gives for sampled index values: the whole statement, and the whole ETL, as a training run does them.

import { randomInt, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import type { View } from '../../features/views.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import { type Column, createRowEncoder, type Frame, type Row } from '../../values/columns.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import { createEncoder, placesOfKey, requestOf } from '../compute.ts'
import { createTimeline, type RowsAt, rowsAt, rulesOf } from '../timeline.ts'

/** By canonical text. */
export type RowsByValue = ReadonlyMap<string, RowsAt>

export interface CollectOptions {
  /** From which on the rows of a view in time are told, and of which those of a query that calls as_of() are. */
  fromMs: number
  signal: AbortSignal
}

export interface TrainingRows {
  /** The rows of the wanted values (those without rows are absent), and of up to `others` random further ones. */
  collect(
    view: View,
    wanted: ReadonlySet<string>,
    others: number,
    options: CollectOptions,
  ): Promise<RowsByValue>
}

interface Source {
  columns: readonly Column[]
  /** Of the key's columns. */
  places: readonly number[]
  batches: AsyncIterable<readonly Row[]>
}

export function createTrainingRows(options: {
  warehouse: Warehouse
  parquet: ParquetEngine
  etlEngine: EtlEngine
  temporaryFolder: string
}): TrainingRows {
  const { warehouse, parquet, etlEngine, temporaryFolder } = options

  async function scanQuery(view: View, { fromMs, signal }: CollectOptions): Promise<Source> {
    const { sql, columns: saved } = view.query
    const scan = await warehouse.scan({
      sql,
      saved,
      key: view.key.names,
      asOf: requestOf(view, fromMs).asOf,
      signal,
    })
    return { ...scan, places: placesOfKey(scan.columns, view) }
  }

  /** Runs the ETL over the query's whole result, and lends its output while `use` runs. */
  async function withEtlOutput<T>(view: View, options: CollectOptions, use: (source: Source) => Promise<T>) {
    const { etl } = view
    const { signal } = options
    if (etl === null) return use(await scanQuery(view, options))
    const name = join(temporaryFolder, `parity-${randomUUID()}`)
    const [inputPath, outputPath] = [`${name}-in.parquet`, `${name}-out.parquet`]
    try {
      const input = await warehouse.exportParquet({
        sql: view.query.sql,
        saved: view.query.columns,
        path: inputPath,
        asOf: requestOf(view, options.fromMs).asOf,
        isIntermediate: true,
        signal,
      })
      const { columns } = await etlEngine.runFile({
        etl,
        inputPath,
        inputColumns: input.columns,
        outputPath,
        signal,
      })
      const places = view.key.names.map((name) => columns.findIndex((column) => column.name === name))
      const lacking = view.key.names.filter((_, i) => places[i] === -1)
      if (lacking.length > 0) throw lacksKey(view, lacking)
      return await use({ columns, places, batches: parquet.scan(outputPath, { columns, signal }) })
    } finally {
      await Promise.all([inputPath, outputPath].map((path) => rm(path, { force: true })))
    }
  }

  /** A script that works row by row gives for each row alone what it gives for it among all. */
  async function transformRows(
    view: View,
    columns: readonly Column[],
    rows: readonly Row[],
    signal: AbortSignal,
  ): Promise<Frame[]> {
    if (view.etl === null) return [{ columns, rows }]
    // Of a view in time the columns have to be of one type in all rows.
    const isTogether = view.record.timestampColumn !== null
    const results = await etlEngine.runGroups({
      etl: view.etl,
      inputColumns: columns,
      groups: isTogether ? [rows] : rows.map((row) => [row]),
      outputColumns: null,
      signal,
    })
    return results.map((result) => {
      if (!result.ok) throw result.error
      return result.frame
    })
  }

  return {
    async collect(view, wanted, others, options) {
      const { fromMs, signal } = options
      if (view.etl !== null && (await etlEngine.worksRowByRow(view.etl))) {
        const source = await scanQuery(view, options)
        const found = await collectFrom(source, view, { wanted, others, gather: gatherAll })
        const told = new Map<string, RowsAt>()
        for (const [text, { rows }] of found)
          told.set(text, tell(view, await transformRows(view, source.columns, rows(), signal), fromMs))
        return told
      }
      return withEtlOutput(view, options, async (source) => {
        const { columns } = source
        const gather = gatherFor(view, columns, fromMs)
        const found = await collectFrom(source, view, { wanted, others, gather })
        return new Map(
          [...found].map(([text, { rows }]) => [text, tell(view, [{ columns, rows: rows() }], fromMs)]),
        )
      })
    },
  }
}

/** The rows of one value, or those of them that tell all from a moment on. */
interface Gathered {
  add(row: Row): void
  rows(): readonly Row[]
}

function gatherAll(): Gathered {
  const rows: Row[] = []
  return { add: (row) => void rows.push(row), rows: () => rows }
}

/** Of a view in time a long history is not held. */
function gatherFor({ record }: View, columns: readonly Column[], fromMs: number): () => Gathered {
  if (record.timestampColumn === null) return gatherAll
  const rules = rulesOf(record, columns)
  if (rules instanceof AppError) throw rules
  return () => {
    const { add, held } = createTimeline(rules, BigInt(fromMs) * 1000n)
    return { add, rows: () => held().map(([, row]) => row) }
  }
}

function tell(view: View, frames: readonly Frame[], fromMs: number): RowsAt {
  if (view.record.timestampColumn === null) {
    const texts = frames.flatMap(({ columns, rows }) => rows.map(createRowEncoder(columns)))
    return () => texts
  }
  const [{ columns, rows } = { columns: [], rows: [] }] = frames
  const outcome = createEncoder(view, columns, BigInt(fromMs) * 1000n)(rows)
  if (!outcome.ok) throw outcome.error
  return rowsAt(view.record, outcome.rows)
}

/** One pass: the wanted values' rows, and those of the values with the lowest seeded hashes, which is a random sample. */
async function collectFrom(
  source: Source,
  view: View,
  { wanted, others, gather }: { wanted: ReadonlySet<string>; others: number; gather: () => Gathered },
) {
  const seed = randomInt(2 ** 32)
  const kept = new Map<string, Gathered>()
  let sampled = new Map<string, { hash: number; gathered: Gathered }>()
  let highest = others > 0 ? Number.POSITIVE_INFINITY : -1
  for await (const batch of source.batches) {
    for (const row of batch) {
      const text = view.key.textOfRow(row, source.places)
      if (text === null) continue
      if (wanted.has(text)) {
        const own = kept.get(text) ?? gather()
        kept.set(text, own)
        own.add(row)
        continue
      }
      const hash = crc32(text, seed)
      if (hash > highest) continue
      const sample = sampled.get(text) ?? { hash, gathered: gather() }
      sampled.set(text, sample)
      sample.gathered.add(row)
      if (sampled.size > others * 2) {
        sampled = lowest(sampled, others)
        highest = Math.max(...[...sampled.values()].map((one) => one.hash))
      }
    }
  }
  for (const [text, { gathered }] of lowest(sampled, others)) kept.set(text, gathered)
  return kept
}

function lowest<T extends { hash: number }>(sampled: ReadonlyMap<string, T>, count: number): Map<string, T> {
  return new Map([...sampled].sort(([, a], [, b]) => a.hash - b.hash).slice(0, count))
}

function lacksKey(view: View, lacking: readonly string[]): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    `Parity cannot be told for ${view.record.name}: the output of its ETL ${view.etl?.name} lacks the index key ${lacking.join(', ')}, so training's rows cannot be found by it. Let the ETL give that column too.`,
  )
}
