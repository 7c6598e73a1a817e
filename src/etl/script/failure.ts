// What went wrong in an ETL, in a client's words: its name, its line and column, the row.

import { AppError, type ErrorCode } from '../../errors.ts'
import type { Failure } from './isolate/evaluation.ts'

const codeByKind: Record<Failure['kind'], ErrorCode> = {
  thrown: 'ETL_FAILED',
  result: 'ETL_FAILED',
  large: 'TOO_LARGE',
  memory: 'ETL_FAILED',
  crash: 'ETL_FAILED',
  load: 'ETL_LOAD_FAILED',
  timeout: 'TIMEOUT',
}

const hintByKind: Partial<Record<Failure['kind'], string>> = {
  timeout: ' (the limit is set by ETL_TIMEOUT_MS)',
  memory: ' (the limit is set by ETL_MEMORY_MB)',
}

export interface FailurePlace {
  etl: string
  /** How many rows came before those that the failure counts from. */
  rowsBefore?: number
  /** Overrides the code: a whole frame that does not fit is TOO_LARGE. */
  code?: ErrorCode
}

/** Rows are told from 1. */
export function failureToError(failure: Failure, { etl, rowsBefore = 0, code }: FailurePlace): AppError {
  const { kind, message, row, line, column, name } = failure
  const place = line === undefined ? '' : `:${line}:${column}`
  const rowNumber = row === undefined ? undefined : rowsBefore + row + 1
  const where = rowNumber === undefined ? '' : ` on row ${rowNumber}`
  const verb = kind === 'load' ? ' cannot be used' : ' failed'
  return new AppError(
    code ?? codeByKind[kind],
    `ETL ${etl}${place}${verb}${where}: ${message}${hintByKind[kind] ?? ''}`,
    {
      details: {
        etl,
        ...(rowNumber === undefined ? {} : { row: rowNumber }),
        ...(line === undefined ? {} : { line, column }),
        ...(name === undefined ? {} : { name }),
      },
    },
  )
}
