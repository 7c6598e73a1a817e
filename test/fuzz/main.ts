// npm run fuzz -- --seconds 300 --seed 7: random requests against a gateway; ends with 1 when something should not have been.

import { parseArgs } from 'node:util'
import { fuzz } from './fuzz.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})
const report = await fuzz({
  seconds: Number(values.seconds),
  seed: Number(values.seed),
  onProgress: (sent) => console.log(`${sent} requests`),
  onFinding: (finding) => console.error(`${finding}\n`),
})
console.table(report.ends)
console.log(`${report.sent} requests, ${report.findings.length} findings (seed ${values.seed})`)
process.exitCode = report.findings.length === 0 ? 0 : 1
