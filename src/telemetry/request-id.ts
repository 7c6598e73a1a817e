// The id of the request that the code at hand works for, where it is known: for lines in the log far from the request.

import { AsyncLocalStorage } from 'node:async_hooks'

const ids = new AsyncLocalStorage<string>()

export function withRequestId<T>(requestId: string, work: () => T): T {
  return ids.run(requestId, work)
}

export function currentRequestId(): string | undefined {
  return ids.getStore()
}
