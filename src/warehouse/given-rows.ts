// Rows that a statement is given as a table beside the warehouse's own: of which types, and how an engine says that it cannot have them.

import { AppError } from '../errors.ts'

const givable =
  /^(BOOLEAN|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|VARCHAR|DATE|TIMESTAMP( WITH TIME ZONE)?|DECIMAL\(\d+, ?\d+\))$/

/** Whether every engine has a type whose values are a storage type's, and are compared alike. */
export function isGivable(storage: string): boolean {
  return givable.test(storage)
}

const why = 'The rows cannot be given to the warehouse'

export function refusalOfRows(cause: unknown): AppError {
  const said = cause instanceof Error ? `: ${cause.message}` : ''
  return new AppError('WAREHOUSE_FAILED', `${why}${said}.`, { cause, details: { givenRows: 'REFUSED' } })
}

export function isRefusalOfRows(error: unknown): boolean {
  return error instanceof AppError && error.details?.givenRows === 'REFUSED'
}
