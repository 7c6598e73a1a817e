// The promise on the stores of this run.

import { inject } from 'vitest'
import { testPromise } from './promise.ts'
import { openStores } from './stores.ts'

testPromise(inject('stores') === 'SERVERS' ? 'PostgreSQL and Redis' : 'the embedded stores', openStores)
