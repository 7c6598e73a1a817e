// Subscriptions over WebSocket to fields that the schema no longer has: they end without an answer, and who holds the socket is told.

import { FieldGone } from '../../schema/typed/field-gone.ts'
import { findAppError } from '../rest/failures.ts'

export function endWhenGone<Result>(
  results: AsyncIterable<Result>,
  onGone: (gone: FieldGone) => void,
): AsyncIterableIterator<Result> {
  const steps = results[Symbol.asyncIterator]()
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      try {
        return await steps.next()
      } catch (error) {
        // The executor has put its own error around it.
        const gone = findAppError(error)
        if (!(gone instanceof FieldGone)) throw error
        onGone(gone)
        return { done: true, value: undefined }
      }
    },
    async return() {
      await steps.return?.()
      return { done: true, value: undefined }
    },
    async throw(error) {
      await steps.return?.()
      throw error
    },
  }
}
