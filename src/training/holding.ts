// Which datasets hold rows of an entity, by what stands in their files.

import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Catalog } from '../catalog/open.ts'
import { AppError } from '../errors.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import { quoteName, quoteText } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'
import { createKeyType, keyText } from '../values/entity-key.ts'
import { assertReadable } from './download.ts'
import { datasetPath } from './making.ts'

const idsAtOnce = 200

export interface HoldingOptions {
  catalog: Pick<Catalog, 'datasets'>
  parquet: ParquetEngine
  datasetsFolder: string
  temporaryFolder: string
}

/** The ids of those that hold these values, as texts, in columns of these names; one whose file is not here may, and is among them. */
export async function datasetsHolding(
  { catalog, parquet, datasetsFolder, temporaryFolder }: HoldingOptions,
  { columns, texts }: { columns: readonly string[]; texts: readonly string[] },
  signal: AbortSignal,
): Promise<string[]> {
  const holding: string[] = []
  let after: string | null = null
  for (;;) {
    const datasets = await catalog.datasets.succeededAfter(after, idsAtOnce)
    for (const dataset of datasets) {
      signal.throwIfAborted()
      const condition = conditionOf(dataset.columns, { columns, texts })
      if (condition === null) continue
      const path = datasetPath(datasetsFolder, dataset.id)
      const isHere = await assertReadable(dataset, path).then(
        () => true,
        () => false,
      )
      const request = { path, columns: dataset.columns, condition, temporaryFolder, signal }
      if (!isHere || (await holds(parquet, request))) holding.push(dataset.id)
    }
    if (datasets.length < idsAtOnce) return holding
    after = datasets.at(-1)?.id ?? null
  }
}

/** Null where the columns are not all there, or cannot hold the values. */
function conditionOf(
  own: readonly Column[],
  { columns, texts }: { columns: readonly string[]; texts: readonly string[] },
): string | null {
  const found = columns.map((name) => own.find((column) => column.name.toLowerCase() === name.toLowerCase()))
  if (!found.every((column) => column !== undefined)) return null
  try {
    const { text } = createKeyType(found).parse(keyText(texts))
    const values = found.length === 1 ? [text] : (JSON.parse(text) as string[])
    return found
      .map(({ name, storage }, i) => `${quoteName(name)} = CAST(${quoteText(values[i] ?? '')} AS ${storage})`)
      .join(' AND ')
  } catch (error) {
    if (error instanceof AppError && error.code === 'BAD_USER_INPUT') return null
    throw error
  }
}

async function holds(
  parquet: ParquetEngine,
  request: {
    path: string
    columns: readonly Column[]
    condition: string
    temporaryFolder: string
    signal: AbortSignal
  },
): Promise<boolean> {
  const outputPath = join(request.temporaryFolder, `${randomUUID()}.holding.parquet`)
  try {
    const { rowCount } = await parquet.runSql({
      sql: `SELECT 1 AS held FROM input WHERE ${request.condition} LIMIT 1`,
      inputPath: request.path,
      inputColumns: request.columns,
      outputPath,
      signal: request.signal,
    })
    return rowCount > 0n
  } finally {
    await rm(outputPath, { force: true })
  }
}
