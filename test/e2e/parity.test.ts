// The promise on the embedded stores.

import { testPromise } from './promise.ts'

testPromise('the embedded stores', async () => ({ settings: {}, stop: async () => {} }))
