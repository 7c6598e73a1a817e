// An extraction: the query's rows into a file in between, then through the ETL into the dataset.

import type { Logger } from 'pino'
import type { DatasetRecord } from '../catalog/datasets.ts'
import type { EtlRecord } from '../catalog/etls.ts'
import type { Catalog } from '../catalog/open.ts'
import type { SavedQueryRecord } from '../catalog/saved-queries.ts'
import type { EtlEngine } from '../etl/engine.ts'
import type { EtlService } from '../etl/service.ts'
import type { EtlSource } from '../etl/source/source.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { createOutputColumns } from './output-columns.ts'
import type { QueryColumns } from './query-columns.ts'
import type { RunContext, RunResult } from './run.ts'
import { whileCatalogIsAway } from './stored-end.ts'

export interface ExtractionOptions {
  catalog: Catalog
  warehouse: Warehouse
  parquet: ParquetEngine
  etlService: EtlService
  etlEngine: EtlEngine
  queryColumns: QueryColumns
  datasetsFolder: string
  log: Logger
}

export interface ExtractionRun {
  query: SavedQueryRecord
  source: EtlSource
  /** Null when the ETL is not to be saved: then nothing is held against its output columns. */
  etl: EtlRecord | null
  dataset: DatasetRecord
}

export function createExtraction(options: ExtractionOptions) {
  const { catalog, warehouse, etlService, etlEngine, queryColumns, log } = options
  const outputColumns = createOutputColumns(options)

  /** What the ETL says is there before the dataset has ended, also where it fails. */
  async function keepingLog<T>(
    dataset: DatasetRecord,
    signal: AbortSignal,
    run: (onSaid: (lines: readonly string[]) => void) => Promise<T>,
  ): Promise<T> {
    let said: readonly string[] = []
    try {
      return await run((lines) => {
        said = lines
      })
    } finally {
      if (said.length > 0 && !signal.aborted)
        await whileCatalogIsAway({ what: 'Keeping what an ETL has said', signal, log }, () =>
          catalog.datasets.saveLog(dataset, said),
        )
    }
  }

  return {
    async resolve(request: {
      etlPath: string
      name: string | undefined
      save: boolean
    }): Promise<{ source: EtlSource; etl: EtlRecord | null }> {
      const { etlPath, name, save } = request
      const source = await etlService.resolve(etlPath, { save, ...(name === undefined ? {} : { name }) })
      const etl = save && source.id !== null ? await catalog.etls.byId(source.id) : null
      return { source, etl }
    },

    /** Progress: the first half is the query's, the second the ETL's. */
    async run(context: RunContext, { query, source, etl, dataset }: ExtractionRun): Promise<RunResult> {
      const { signal, path, temporaryPath, onProgress } = context
      const input = await warehouse.exportParquet({
        sql: query.sql,
        saved: query.columns,
        path: temporaryPath,
        asOf: dataset.asOf ?? undefined,
        isIntermediate: true,
        signal,
        onProgress: ({ fraction }) => onProgress(fraction === null ? null : fraction / 2),
      })
      const inputRows = Math.max(Number(input.rowCount), 1)
      const output = await keepingLog(dataset, signal, (onSaid) =>
        etlEngine.runFile({
          etl: source,
          inputPath: temporaryPath,
          inputColumns: [...input.columns],
          outputPath: path,
          signal,
          onProgress(progress) {
            const done = 'rows' in progress ? Math.min(progress.rows / inputRows, 1) : progress.fraction
            onProgress(done === null ? null : 0.5 + done / 2)
          },
          onSaid,
        }),
      )
      const result = queryColumns.observed(output)
      await whileCatalogIsAway({ what: 'Noting what an extraction has shown', signal, log }, async () => {
        if (etl !== null) {
          await outputColumns.settle({ etlId: etl.id, queryId: query.id, path, output: result })
        }
        await queryColumns.settle({
          queryId: query.id,
          datasetId: dataset.id,
          observed: queryColumns.observed(input),
          widenOnly: output.rowCount === 0n,
        })
      })
      return result
    },
  }
}
