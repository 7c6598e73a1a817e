// Beside Feast: a training set out of files by its file store, and features online by its server on Redis.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { freePort, startChild } from '../test/servers/child.ts'
import { prepareFeastPython } from '../test/servers/python.ts'
import { startRedis } from '../test/servers/redis.ts'
import { type Comparison, compare, runPairs, runSides } from './comparison.ts'
import { startGateway } from './gateway.ts'
import { saturate, type Workload } from './load.ts'
import { watchMemory } from './memory.ts'
import { makeSet, makeView, prepareFiles, thousands } from './time.ts'

const area = 'feast'
const scripts = join(import.meta.dirname, 'feast')
const views = ['a', 'b', 'c']

export async function benchFeast({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const python = await prepareFeastPython()
  const folder = await mkdtemp(join(tmpdir(), 'gateway-bench-'))
  try {
    return [...(await compareSets(python, folder, quick)), ...(await compareServers(python, folder, quick))]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function compareSets(python: string, folder: string, quick: boolean): Promise<Comparison[]> {
  const [asked, rows, keys] = quick ? [2_000, 20_000, 2_000] : [100_000, 1_000_000, 100_000]
  const gateway = await prepareFiles(folder, { asked, rows, keys })
  try {
    // One of Feast's takes minutes.
    const pairs = await runPairs(
      1,
      async () => {
        const memory = await watchMemory(gateway.pid)
        const seconds = await makeSet(gateway, {
          spine: 'SELECT * FROM files.spine',
          views: ['view0'],
          rows: asked,
        })
        return { seconds, risenMb: await memory.risenMb() }
      },
      () => historicalFeatures(python, join(folder, 'files'), asked),
    )
    const names = {
      area,
      work: `a training set of ${thousands(asked)} rows out of ${thousands(rows)}`,
      peer: 'Feast, get_historical_features of its file store',
    }
    return [
      compare(
        { ...names, measure: 'rows of the spine a second' },
        pairs.map(({ gateway, peer }) => ({ gateway: asked / gateway.seconds, peer: asked / peer.seconds })),
        (rate) => thousands(Math.round(rate)),
      ),
      compare(
        { ...names, measure: 'peak memory over the idle process' },
        pairs.map(({ gateway, peer }) => ({ gateway: gateway.risenMb, peer: peer.risenMb })),
        (mb) => `${mb.toFixed(0)} MiB`,
      ),
    ]
  } finally {
    await gateway.stop()
  }
}

/** Measured by the script itself, when it has loaded what it needs. */
async function historicalFeatures(python: string, files: string, asked: number) {
  const ready = /^(\{.*\})$/m
  const child = await startChild(python, [join(scripts, 'historical.py'), files], {
    ready,
    startTimeoutMs: 900_000,
  })
  try {
    const told = ready.exec(child.output())?.[1] ?? ''
    const { rows, ...measured } = JSON.parse(told) as { seconds: number; risenMb: number; rows: number }
    // Its file store leaves out rows of the spine that have no feature yet.
    if (rows > asked || rows < asked * 0.9) throw new Error(`Feast gave ${rows} rows of ${asked}`)
    return measured
  } finally {
    await child.end()
  }
}

async function compareServers(python: string, folder: string, quick: boolean): Promise<Comparison[]> {
  const [rounds, seconds, users] = quick ? [1, 3, 500] : [5, 4, 10_000]
  await writeHistories(folder, users)
  const redis = await startRedis()
  const gateway = await startGateway({ WAREHOUSE_FILES: join(folder, 'online'), ONLINE_URL: redis.url })
  const feast = await startFeast(python, folder, redis.url)
  try {
    for (const view of views) await makeView(gateway, view, `SELECT * FROM files.${view}`)
    await gateway.data(
      'mutation ($features: [FeatureRefInput!]!) { createFeatureService(name: "three", features: $features) { id } }',
      { features: views.map((view) => ({ view })) },
    )
    const comparisons: Comparison[] = []
    for (const entities of [1, 100]) {
      const load = workload(users, entities)
      await assertAlike(gateway.url, feast.url, load)
      const rates = await runSides(
        rounds,
        rounds > 1,
        { gateway: gateway.url, peer: feast.url },
        async (url) => {
          const { requestsPerSecond } = await saturate(url, load, seconds)
          return requestsPerSecond
        },
      )
      const many = entities === 1 ? '1 entity' : `${entities} entities`
      const names = {
        area,
        work: `POST /get-online-features, ${many}, 3 views × 10 features`,
        peer: "Feast's server",
      }
      comparisons.push(
        compare(
          { ...names, measure: 'requests a second' },
          rates.map(({ gateway = 0, peer = 0 }) => ({ gateway, peer })),
          (rate) => thousands(Math.round(rate)),
        ),
      )
    }
    return comparisons
  } finally {
    await feast.end()
    await gateway.stop()
    await redis.stop()
  }
}

/** Of each view one row for each of its keys. */
async function writeHistories(folder: string, users: number) {
  await mkdir(join(folder, 'online'))
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  for (const view of views) {
    const features = Array.from({ length: 10 }, (_, n) => `range * ${n + 1.5} AS ${view}_${n}`)
    const moment = "TIMESTAMP '2026-01-01' + INTERVAL '1 second' * range AS happened"
    await connection.run(
      `COPY (SELECT range AS k, ${moment}, ${features.join(', ')} FROM range(${users})) TO '${join(folder, 'online', view)}.parquet' (FORMAT parquet)`,
    )
  }
  connection.closeSync()
  instance.closeSync()
}

async function startFeast(python: string, folder: string, redisUrl: string) {
  const applied = await startChild(python, [join(scripts, 'repository.py'), folder, new URL(redisUrl).host], {
    ready: /materialized/,
    startTimeoutMs: 300_000,
  })
  await applied.end()
  const port = await freePort()
  // Not by its script: that names the folder it was installed in.
  const cli = ['-c', 'from feast.cli.cli import cli; cli()', '--chdir', folder, 'serve', '--no-access-log']
  // By default a worker ends after a thousand requests, and answers none until another has begun.
  const endless = ['--max-requests', '0', '--max-requests-jitter', '0']
  const child = await startChild(python, [...cli, ...endless, '--port', `${port}`], {
    ready: /Application startup complete|Listening at/,
    startTimeoutMs: 120_000,
  })
  return { url: `http://127.0.0.1:${port}`, end: child.end }
}

function workload(users: number, entities: number): Workload {
  const bodies = Array.from({ length: entities === 1 ? 500 : 100 }, (_, body) => {
    const keys = Array.from({ length: entities }, (_, at) => ((body * entities + at) * 7_919) % users)
    return JSON.stringify({ feature_service: 'three', entities: { k: keys } })
  })
  return { path: '/get-online-features', bodies }
}

interface Answer {
  metadata: { feature_names: string[] }
  results: { values: unknown[] }[]
}

/** Also brings the keys online. */
async function assertAlike(gatewayUrl: string, feastUrl: string, { path, bodies }: Workload) {
  const ask = async (url: string, body: string) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(url + path, { method: 'POST', headers, body })
    const { metadata, results } = (await response.json()) as Answer
    return JSON.stringify(metadata.feature_names.map((name, i) => [name, results[i]?.values]).sort())
  }
  for (const body of bodies) {
    const [own, feast] = [await ask(gatewayUrl, body), await ask(feastUrl, body)]
    if (own !== feast) throw new Error(`Not answered alike: ${body}\n${own}\n${feast}`)
  }
}
