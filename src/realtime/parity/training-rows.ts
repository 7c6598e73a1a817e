// What training gives for sampled index values: the whole statement, and the whole ETL, as a training run does them.

import { randomInt, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import type { View } from '../../features/views.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import { type Column, createRowEncoder, type Row } from '../../values/columns.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import { placesOfKey } from '../compute.ts'

/** The rows of index values as JSON texts, by canonical text. */
export type RowsByValue = ReadonlyMap<string, readonly string[]>

export interface TrainingRows {
  /** The rows of the wanted values (those without rows are absent), and of up to `others` random further ones. */
  collect(view: View, wanted: ReadonlySet<string>, others: number, signal: AbortSignal): Promise<RowsByValue>
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

  async function scanQuery(view: View, signal: AbortSignal): Promise<Source> {
    const { sql, columns: saved } = view.query
    const scan = await warehouse.scan({ sql, saved, key: view.key.names, signal })
    return { ...scan, places: placesOfKey(scan.columns, view) }
  }

  /** Runs the ETL over the query's whole result, and lends its output while `use` runs. */
  async function withEtlOutput<T>(view: View, signal: AbortSignal, use: (source: Source) => Promise<T>) {
    const { etl } = view
    if (etl === null) return use(await scanQuery(view, signal))
    const name = join(temporaryFolder, `parity-${randomUUID()}`)
    const [inputPath, outputPath] = [`${name}-in.parquet`, `${name}-out.parquet`]
    try {
      const input = await warehouse.exportParquet({
        sql: view.query.sql,
        saved: view.query.columns,
        path: inputPath,
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
  ): Promise<string[]> {
    if (view.etl === null) return rows.map(createRowEncoder(columns))
    const results = await etlEngine.runGroups({
      etl: view.etl,
      inputColumns: columns,
      groups: rows.map((row) => [row]),
      outputColumns: null,
      signal,
    })
    return results.flatMap((result) => {
      if (!result.ok) throw result.error
      return result.frame.rows.map(createRowEncoder(result.frame.columns))
    })
  }

  return {
    async collect(view, wanted, others, signal) {
      if (view.etl !== null && (await etlEngine.worksRowByRow(view.etl))) {
        const source = await scanQuery(view, signal)
        const found = await collectFrom(source, view, wanted, others)
        const encoded = new Map<string, readonly string[]>()
        for (const [text, rows] of found)
          encoded.set(text, await transformRows(view, source.columns, rows, signal))
        return encoded
      }
      return withEtlOutput(view, signal, async (source) => {
        const encode = createRowEncoder(source.columns)
        const found = await collectFrom(source, view, wanted, others)
        return new Map([...found].map(([text, rows]) => [text, rows.map(encode)]))
      })
    },
  }
}

/** One pass: the wanted values' rows, and those of the values with the lowest seeded hashes, which is a random sample. */
async function collectFrom(source: Source, view: View, wanted: ReadonlySet<string>, others: number) {
  const seed = randomInt(2 ** 32)
  const kept = new Map<string, Row[]>()
  let sampled = new Map<string, { hash: number; rows: Row[] }>()
  let highest = others > 0 ? Number.POSITIVE_INFINITY : -1
  for await (const batch of source.batches) {
    for (const row of batch) {
      const text = view.key.textOfRow(row, source.places)
      if (text === null) continue
      if (wanted.has(text)) {
        const rows = kept.get(text)
        if (rows === undefined) kept.set(text, [row])
        else rows.push(row)
        continue
      }
      const hash = crc32(text, seed)
      if (hash > highest) continue
      const sample = sampled.get(text)
      if (sample === undefined) sampled.set(text, { hash, rows: [row] })
      else sample.rows.push(row)
      if (sampled.size > others * 2) {
        sampled = lowest(sampled, others)
        highest = Math.max(...[...sampled.values()].map((one) => one.hash))
      }
    }
  }
  for (const [text, { rows }] of lowest(sampled, others)) kept.set(text, rows)
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
