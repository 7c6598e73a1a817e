// What a Redis driver's error means to a caller: always ONLINE_STORE_UNAVAILABLE, and why, without addresses or data.

import { AppError } from '../../errors.ts'

export function translateFailure(doing: string, error: unknown): AppError {
  if (error instanceof AppError) return error
  return new AppError(
    'ONLINE_STORE_UNAVAILABLE',
    `${doing} failed in the online store (Redis): ${reason(error)}`,
    {
      cause: error,
    },
  )
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'ReplyError') return `the server refused it (${refusal(error.message)})`
  if (error.message.includes('timed out')) return 'the server did not answer in time'
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
  return `the server cannot be reached${code}`
}

/** A refusal begins with its code (OOM, READONLY, WRONGPASS); the words after it may quote data. */
function refusal(message: string): string {
  return message.split(' ', 1)[0] ?? message
}
