// A full disk: how it is told from other failures, in whatever words a store puts it.

import { AppError, type ErrorCode } from './errors.ts'

/** The system's words, which every engine passes on: no room, a quota's end, a limit on the size of files. */
const words = /ENOSPC|EDQUOT|EFBIG|No space left on device|Disk quota exceeded|File too large/i

/** Whether a full disk is the cause of a failure, at whatever depth. */
export function isDiskFull(reason: unknown): boolean {
  for (let error = reason; error instanceof Error; error = error.cause) {
    if (words.test(error.message)) return true
  }
  return false
}

/** `what` holds on it: `the catalog`. */
export function diskFullError(code: ErrorCode, what: string, cause: unknown): AppError {
  const message = `The disk that holds ${what} is full (DATA_DIR), so it could not be written. Make room; no restart is needed.`
  return new AppError(code, message, { cause })
}
