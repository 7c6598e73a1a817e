// The peer of an ETL: `node --no-node-snapshot isolate.ts etl.ts rows`, one isolate that is handed objects by the
// thousand and hands objects back, both as JSON, and evaluates the module once for all of them.

import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import ivm from 'isolated-vm'

const batchRows = 1000
const [file = '', count = '0'] = process.argv.slice(2)

const isolate = new ivm.Isolate({ memoryLimit: 256 })
const context = isolate.createContextSync()
const source = `${stripTypeScriptTypes(readFileSync(file, 'utf8'))}
export const run = (text) => JSON.stringify(JSON.parse(text).map(transform))`
const module = isolate.compileModuleSync(source)
module.instantiateSync(context, (name) => {
  throw new Error(`There is no module ${name}`)
})
module.evaluateSync()
const run = module.namespace.getSync('run', { reference: true })

function transform(rows: readonly object[]): object[] {
  return JSON.parse(run.applySync(undefined, [JSON.stringify(rows)]) as string)
}

function makeRow(i: number) {
  return {
    user_id: `user_${String(i).padStart(8, '0')}`,
    quotes: i,
    failed_payments: i % 17,
    amount: Number((i * 0.37).toFixed(2)),
    is_paid: i % 3 === 0,
    card_type: `card ${i % 5}`,
    last_seen: 1.7e9 + i,
    risk: i % 4 === 0 ? null : i * 1.5,
    device: 'mobile',
    score: i % 100,
  }
}

const batches = Array.from({ length: 100 }, (_, batch) =>
  Array.from({ length: batchRows }, (_, i) => makeRow(batch * batchRows + i)),
)
const first = JSON.stringify(transform(batches[0] ?? []).slice(0, 3))
const startedAt = performance.now()
let done = 0
for (let batch = 0; done < Number(count); batch++)
  done += transform(batches[batch % batches.length] ?? []).length
const rowsPerSecond = done / ((performance.now() - startedAt) / 1000)
console.log(JSON.stringify({ rowsPerSecond, first }))
process.exit(0)
