// Feast's own SDK with a remote online store, against the gateway and against Feast's server, over the same history.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFolder, freePort, startChild } from '../servers/child.ts'
import { prepareFeastPython } from '../servers/python.ts'
import { type ServicesGateway, startGateway } from './gateway.ts'

const scripts = join(import.meta.dirname, 'feast')
const rows = [
  {
    driver_id: 1,
    rate: 0.5,
    trips: 10,
    city: 'Zürich',
    active: true,
    event_timestamp: '2026-01-01T00:00:00Z',
    created: '2026-01-01T00:00:00Z',
  },
  {
    driver_id: 1,
    rate: 0.75,
    trips: 20,
    city: null,
    active: false,
    event_timestamp: '2026-02-01T00:00:00Z',
    created: '2026-02-01T00:00:00Z',
  },
  {
    driver_id: 1,
    rate: 0.25,
    trips: 5,
    city: 'late',
    active: true,
    event_timestamp: '2026-01-20T00:00:00Z',
    created: '2026-03-01T00:00:00Z',
  },
  {
    driver_id: 2,
    rate: 1e-7,
    trips: 9007199254740991,
    city: '"quoted", \\',
    active: null,
    event_timestamp: '2026-01-15T00:00:00Z',
    created: '2026-01-15T00:00:00Z',
  },
  {
    driver_id: 2,
    rate: 3,
    trips: 30,
    city: 'older',
    active: true,
    event_timestamp: '2026-01-15T00:00:00Z',
    created: '2026-01-14T00:00:00Z',
  },
]
const requests = [
  { features: 'pricing', entities: { driver_id: [1, 2] } },
  { features: ['driver_stats:city', 'driver_stats:trips'], entities: { driver_id: [2, 3, 1, 2] } },
  {
    features: ['driver_stats:rate', 'driver_stats:active'],
    entities: { driver_id: [1] },
    full_feature_names: true,
  },
]

let gateway: ServicesGateway
let python: string
let folder: Awaited<ReturnType<typeof createFolder>>
let server: Awaited<ReturnType<typeof startChild>>
let feastUrl: string

/** What the script writes, given this on its standard input. */
function run(script: string, args: readonly string[], input: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(python, [join(scripts, script), ...args], (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(stderr.slice(-2_000))),
    )
    child.stdin?.end(JSON.stringify(input))
  })
}

beforeAll(async () => {
  python = await prepareFeastPython()
  folder = await createFolder('feast')
  await run('repository.py', [folder.path], rows)
  const port = await freePort()
  feastUrl = `http://127.0.0.1:${port}`
  // Not by its script: that names the folder it was installed in.
  const cli = ['-c', 'from feast.cli.cli import cli; cli()', '--chdir', folder.path]
  server = await startChild(python, [...cli, 'serve', '--port', `${port}`], {
    ready: /Application startup complete/,
    startTimeoutMs: 120_000,
  })
  gateway = await startGateway({ WAREHOUSE_FILES: join(folder.path, 'drivers.parquet') })
  const queryId = await gateway.saveQuery('driver_stats', 'SELECT * FROM files.drivers')
  await gateway.data(
    'mutation ($id: ID!) { createFeatureView(name: "driver_stats", queryId: $id, indexKey: "driver_id", timestampColumn: "event_timestamp", createdColumn: "created") { id } }',
    { id: queryId },
  )
  await gateway.createService({
    name: 'pricing',
    features: [{ view: 'driver_stats', features: ['trips', 'rate'] }],
  })
}, 600_000)

afterAll(async () => {
  await gateway?.close()
  await server?.end()
  await folder?.remove()
})

test('the SDK is given the same values', async () => {
  const ask = async (url: string) =>
    JSON.parse(await run('ask.py', [folder.path, url], requests)) as unknown[]
  const [own, feast] = [await ask(gateway.url), await ask(feastUrl)]
  expect(own).toEqual(feast)
  expect(own[0]).toEqual({ driver_id: [1, 2], trips: [20, 9007199254740991], rate: [0.75, 1e-7] })
})

interface Wire {
  metadata: { feature_names: string[] }
  results: { values: unknown[]; statuses: string[]; event_timestamps: string[] }[]
}

test('on the wire statuses and times differ only as documented', async () => {
  const body = JSON.stringify({ features: requests[1]?.features, entities: requests[1]?.entities })
  const ask = async (url: string) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${url}/get-online-features`, { method: 'POST', headers, body })
    const { metadata, results } = (await response.json()) as Wire
    return new Map(metadata.feature_names.map((name, i) => [name, results[i]]))
  }
  const [own, feast] = [await ask(gateway.url), await ask(feastUrl)]
  expect([...own.keys()].sort()).toEqual([...feast.keys()].sort())
  for (const [name, theirs] of feast) {
    const ours = own.get(name)
    expect(ours?.values).toEqual(theirs?.values)
    expect(ours?.event_timestamps).toEqual(theirs?.event_timestamps)
    // Feast says of a null that it is present.
    const told = theirs?.statuses.map((status, i) =>
      status === 'PRESENT' && theirs.values[i] === null ? 'NULL_VALUE' : status,
    )
    expect(ours?.statuses).toEqual(told)
  }
  expect(own.get('city')?.statuses).toEqual(['PRESENT', 'NOT_FOUND', 'NULL_VALUE', 'PRESENT'])
})
