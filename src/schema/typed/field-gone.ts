// A subscription to a field that the schema no longer has, as it was, ends at once and says so.

import { AppError } from '../../errors.ts'

/** Clients that connect anew learn from the next schema what became of their field. */
export class FieldGone extends AppError {
  constructor(field: string) {
    super('NOT_FOUND', `The field ${field} was removed, or is another now: load the schema anew`)
  }
}

/** `listen` calls back when the field is gone, until the function that it returns is called. */
export function untilGone<T>(
  source: AsyncIterable<T>,
  field: string,
  listen: (onGone: () => void) => () => void,
): AsyncIterableIterator<T> {
  const steps = source[Symbol.asyncIterator]()
  let gone: FieldGone | null = null
  let told = false
  let interrupt = (_error: FieldGone) => {}
  const endListening = listen(() => {
    gone = new FieldGone(field)
    void steps.return?.()
    interrupt(gone)
  })

  async function end() {
    endListening()
    await steps.return?.()
    return { done: true, value: undefined } as const
  }

  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      if (told) return { done: true, value: undefined }
      try {
        if (gone !== null) throw gone
        return await new Promise<IteratorResult<T>>((resolve, reject) => {
          interrupt = reject
          steps.next().then(resolve, reject)
        })
      } catch (error) {
        told = true
        endListening()
        throw error
      }
    },
    return: end,
    async throw(error) {
      await end()
      throw error
    },
  }
}
