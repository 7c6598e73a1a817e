// An ETL on top of a feature service: over an entity's joined row, alike for a spine's rows and for a request's.

import type { EtlRecord } from '../catalog/etls.ts'
import { AppError } from '../errors.ts'
import type { Difference } from '../etl/columns/output.ts'
import type { EtlEngine } from '../etl/engine.ts'
import type { Column, Row } from '../values/columns.ts'
import type { ResolvedReference } from './references.ts'

/** What the ETL is given of a service. */
export interface JoinedInput {
  indexKeys: readonly Column[]
  requestColumns: readonly Column[]
  references: readonly ResolvedReference[]
}

/** One row of the service's columns; null where the ETL has dropped it. */
export type Transformed = Row | null

export interface ServiceEtl {
  etl: EtlRecord
  /** The joined row's. */
  columns: readonly Column[]
  /** The service's, which every row is held in: see `sample` of the ETL engine. */
  outputColumns: readonly Column[]
}

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
  { etl, columns, outputColumns, rows, signal }: ServiceEtl & { rows: readonly Row[]; signal?: AbortSignal },
): Promise<readonly (Transformed | AppError)[]> {
  if (rows.length === 0) return []
  const groups = rows.map((row) => [row])
  const results = await etlEngine.runGroups({ etl, inputColumns: columns, groups, outputColumns, signal })
  return rows.map((_, i) => {
    const result = results[i]
    if (result === undefined)
      throw new Error(`The ETL engine answered ${rows.length} rows with ${results.length} results`)
    if (!result.ok) return asServiceError(result.error)
    const { rows: out } = result.frame
    return out.length > 1 ? tooManyRows(etl, out.length) : (out[0] ?? null)
  })
}

/** In a service's words, where an output differs from its columns. */
export function asServiceError(error: AppError): AppError {
  const { etl, differences } = error.details ?? {}
  if (error.code !== 'SCHEMA_MISMATCH' || !Array.isArray(differences)) return error
  const told = (differences as Difference[]).map(
    ({ column, expected, actual }) => `${JSON.stringify(column)} is ${expected} and now ${actual}`,
  )
  const message = `The output of ETL ${etl} differs from the columns that its feature service was made with: ${told.join('; ')}. Declare them in the ETL, export const columns = { … }, and make the service's next version.`
  return new AppError(error.code, message, { cause: error, details: { ...error.details } })
}

export function tooManyRows({ name }: EtlRecord, count: number): AppError {
  return new AppError(
    'ETL_FAILED',
    `ETL ${name} gave ${count} rows for one entity; on a feature service it gives one row, or none.`,
    { details: { etl: name } },
  )
}
