// An ETL on top of a feature service: over an entity's joined row, alike for a spine's rows and for a request's.

import type { EtlRecord } from '../catalog/etls.ts'
import { AppError } from '../errors.ts'
import type { EtlEngine } from '../etl/engine.ts'
import type { Column, Row } from '../values/columns.ts'
import type { ResolvedReference } from './references.ts'

/** What the ETL is given of a service. */
export interface JoinedInput {
  indexKeys: readonly Column[]
  requestColumns: readonly Column[]
  references: readonly ResolvedReference[]
}

/** One row, whose cells are of these columns; null where the ETL has dropped it. */
export type Transformed = { columns: readonly Column[]; row: Row | null }

/** The joined row's columns: the entity's, the request's, then the features under their names in the answer. Any may be null. */
export function joinedColumns({ indexKeys, requestColumns, references }: JoinedInput): Column[] {
  const features = references.flatMap((reference) =>
    reference.features.map(({ column, name }) => ({ ...column, name })),
  )
  return [...indexKeys, ...requestColumns, ...features].map((column) => ({ ...column, nullable: true }))
}

/** Each row goes through the ETL by itself, whatever rows it comes with: one result for each, in order. */
export async function transformRows(
  etlEngine: Pick<EtlEngine, 'runGroups'>,
  {
    etl,
    columns,
    rows,
    signal,
  }: { etl: EtlRecord; columns: readonly Column[]; rows: readonly Row[]; signal?: AbortSignal },
): Promise<readonly (Transformed | AppError)[]> {
  if (rows.length === 0) return []
  const results = await etlEngine.runGroups({
    etl,
    inputColumns: columns,
    groups: rows.map((row) => [row]),
    outputColumns: null,
    signal,
  })
  return rows.map((_, i) => {
    const result = results[i]
    if (result === undefined)
      throw new Error(`The ETL engine answered ${rows.length} rows with ${results.length} results`)
    if (!result.ok) return result.error
    const { columns: given, rows: out } = result.frame
    return out.length > 1 ? tooMany(etl, out.length) : { columns: given, row: out[0] ?? null }
  })
}

function tooMany({ name }: EtlRecord, count: number): AppError {
  return new AppError(
    'ETL_FAILED',
    `ETL ${name} gave ${count} rows for one entity; on a feature service it gives one row, or none.`,
    { details: { etl: name } },
  )
}
