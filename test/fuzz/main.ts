// npm run fuzz -- --seconds 300 --seed 7: random requests against a gateway. npm run fuzz -- promise --seconds 300: random
// statements over random tables, each key compared after each change. Ends with 1 when something should not have been.

import { parseArgs } from 'node:util'
import { startVitest } from 'vitest/node'
import { fuzz } from './fuzz.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})
if (positionals[0] === 'promise') await attackPromise()
else await sendRequests()

async function sendRequests() {
  const report = await fuzz({
    seconds: Number(values.seconds),
    seed: Number(values.seed),
    onProgress: (sent) => console.log(`${sent} requests`),
    onFinding: (finding) => console.error(`${finding}\n`),
  })
  console.table(report.ends)
  console.log(`${report.sent} requests, ${report.findings.length} findings (seed ${values.seed})`)
  process.exitCode = report.findings.length === 0 ? 0 : 1
}

/** By the suite's own test, which knows the servers, for as long on each of its places. */
async function attackPromise() {
  Object.assign(process.env, { PROMISE_SECONDS: values.seconds, PROMISE_SEED: values.seed })
  const vitest = await startVitest('test', ['test/fuzz/promise/promise.test.ts'], {
    run: true,
    project: 'embedded',
    testTimeout: 0,
    disableConsoleIntercept: true,
  })
  await vitest.close()
}
