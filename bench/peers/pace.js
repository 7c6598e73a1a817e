// A steady load by autocannon, its options as JSON on the standard input; prints what was measured.

import { text } from 'node:stream/consumers'
import autocannon from 'autocannon'

const { url, bodies, requestsPerSecond, seconds } = JSON.parse(await text(process.stdin))

const result = await autocannon({
  url,
  connections: 16,
  duration: seconds,
  overallRate: requestsPerSecond,
  requests: bodies.map((body) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body })),
})
if (result.errors + result.non2xx > 0) throw new Error(`${result.errors + result.non2xx} requests failed`)
console.log(JSON.stringify({ requestsPerSecond: result.requests.average, p99Ms: result.latency.p99 }))
