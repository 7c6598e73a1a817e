// What is started as the gateway: what was compiled once is not compiled at the next start, so all else is loaded after this.

import { enableCompileCache } from 'node:module'
import { setFlagsFromString } from 'node:v8'

enableCompileCache()
// Some long lookups, a fill say, have V8 take all that lookups make for long-lived. Made among what only a full collection
// frees, it piles up there: 200 MB more under load, and a quarter of the throughput less.
setFlagsFromString('--no-allocation-site-pretenuring')
const { run } = await import('./serve.ts')
await run()
