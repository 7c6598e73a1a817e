// What is started as the gateway: what was compiled once is not compiled at the next start, so all else is loaded after this.

import { enableCompileCache } from 'node:module'

enableCompileCache()
const { run } = await import('./serve.ts')
await run()
