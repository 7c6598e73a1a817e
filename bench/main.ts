// `npm run bench [-- area …] [--quick]`: each measure beside its peer in the same run, as ratios; writes bench/results.json, docs/bench.svg and the tables of docs/benchmarks.md and the README.

import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Table from 'cli-table3'
import { drawResults } from './chart.ts'
import type { Comparison } from './comparison.ts'
import { benchEtl } from './etl-run.ts'
import { benchFeast } from './feast.ts'
import { benchLatency } from './latency.ts'
import { benchPublish } from './publish.ts'
import { quoteResults } from './quote.ts'
import { benchRealtime } from './realtime.ts'
import { benchRefresh } from './refresh.ts'
import { benchTime } from './time.ts'
import { benchTraining } from './training.ts'
import { benchTyped } from './typed.ts'
import { benchUpload } from './upload.ts'

const areas: Record<string, (options: { quick: boolean }) => Promise<Comparison[]>> = {
  realtime: benchRealtime,
  typed: benchTyped,
  latency: benchLatency,
  refresh: benchRefresh,
  training: benchTraining,
  time: benchTime,
  feast: benchFeast,
  etl: benchEtl,
  publish: benchPublish,
  upload: benchUpload,
}

const resultsFile = join(import.meta.dirname, 'results.json')

async function main() {
  const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
  const quick = process.argv.includes('--quick')
  const unknown = wanted.find((area) => !(area in areas))
  if (unknown) throw new Error(`There is no area "${unknown}"; there are: ${Object.keys(areas).join(', ')}`)

  const comparisons: Comparison[] = []
  for (const [name, bench] of Object.entries(areas)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    console.log(`${name} …`)
    comparisons.push(...(await bench({ quick })))
  }
  print(comparisons)
  if (quick) return
  await save(comparisons)
  await drawResults()
  await quoteResults()
}

function print(comparisons: readonly Comparison[]) {
  const table = new Table({ head: ['work', 'peer', 'measure', 'gateway', 'peer', 'ratio', 'spread'] })
  for (const { work, peer, measure, gateway, peerValue, ratio, spread } of comparisons) {
    table.push([
      work,
      peer,
      measure,
      gateway,
      peerValue,
      ratio.toFixed(2),
      `${spread[0].toFixed(2)}–${spread[1].toFixed(2)}`,
    ])
  }
  console.log(table.toString())
}

/** Keeps the results of areas that did not run this time. */
async function save(comparisons: readonly Comparison[]) {
  const before = await readFile(resultsFile, 'utf8').then(
    (text) => (JSON.parse(text) as { comparisons: Comparison[] }).comparisons,
    () => [],
  )
  const all = [
    ...before.filter((old) => !comparisons.some((fresh) => fresh.area === old.area)),
    ...comparisons,
  ]
  const order = Object.keys(areas)
  all.sort((a, b) => order.indexOf(a.area) - order.indexOf(b.area))
  const redis = await versionOf('redis-server')
  const machine = `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${redis}`
  await writeFile(resultsFile, `${JSON.stringify({ machine, comparisons: all }, null, 2)}\n`)
}

async function versionOf(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, ['--version'])
  return `${program} ${/v=(\S+)/.exec(stdout)?.[1] ?? stdout.trim()}`
}

await main()
