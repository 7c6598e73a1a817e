// How much one answer may hold: rows are counted as they come, so that what is too much is never gathered.

import { AppError } from '../errors.ts'

const maxAnswerMegabytes = 64
export const maxAnswerLength = maxAnswerMegabytes * 1024 * 1024

export interface AnswerBudget {
  /** Counts a text that goes into the answer. Throws TOO_LARGE. */
  take(length: number): void
}

/** One for each operation. */
export function createAnswerBudget(): AnswerBudget {
  let taken = 0
  return {
    take(length) {
      taken += length
      if (taken > maxAnswerLength) throw answerTooLarge()
    },
  }
}

export function answerTooLarge(): AppError {
  return new AppError(
    'TOO_LARGE',
    `The answer would be longer than ${maxAnswerMegabytes} MB. Ask for fewer rows, values or columns at once; a dataset is to be had whole by its downloads.`,
  )
}
