// The mixed load: callers that look up, publish, send rows, train, follow and dawdle, each drawing what it does from a seed.

import { setTimeout as sleep } from 'node:timers/promises'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { SoakClient } from './client.ts'

export interface Acknowledged {
  /** Publish jobs that a gateway has confirmed. */
  jobs: Set<string>
  /** Users whose rows a gateway has confirmed, and those where no answer came: these may be there or not. */
  users: Set<string>
  unsure: Set<string>
}

export interface SavedQuery {
  id: string
  indexKey: string
}

const features =
  'SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time FROM feature_store.quotes Q LEFT JOIN feature_store.policies P ON Q.user_id = P.user_id LEFT JOIN feature_store.transactions T ON P.user_id = T.user_id LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count from feature_store.transactions T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id'
const etlPath = 'file:./examples/etl/quote-features.ts'

/** The first two are refreshed by key, the last in full. */
const statements = [
  { name: 'soak features', sql: features, indexKey: 'user_id' },
  { name: 'soak users', sql: 'SELECT user_id, name FROM feature_store.users', indexKey: 'user_id' },
  {
    name: 'soak shares',
    sql: 'SELECT quote_device, count(*) AS quotes, rank() OVER (ORDER BY count(*)) AS place FROM feature_store.quotes GROUP BY quote_device',
    indexKey: 'quote_device',
  },
] as const

/** What is trained while the load lasts is as much at its end as at its beginning, for else it would take more and more memory. */
const samples = statements.map(({ name, sql }) => ({
  name: `${name}, some`,
  sql: `SELECT * FROM (${sql}) AS all_rows LIMIT 5000`,
}))

interface Trained {
  queryTrain: { query: { id: string }; dataset: { id: string; rows: Record<string, unknown>[] | null } }
}

const train = `mutation ($sql: String!, $name: String!) {
  queryTrain(query: $sql, queryName: $name) { query { id } dataset { id rows(limit: 50) } }
}`
const extract = `mutation ($id: ID!, $etl: String!) { extractTrain(queryId: $id, etlPath: $etl) { dataset { id rowCount } } }`
const publish = 'mutation ($n: Int!) { publish(nFlows: $n) { id } }'
const ingest = 'mutation ($rows: JSON!) { ingest(table: "users", rows: $rows) { id } }'
const jobStatus = 'query ($id: ID!) { publishJob(id: $id) { status } }'
const many = `query Soak($id: ID!, $key: String!, $values: [String!]!) {
  queryRealtimeMany(queryId: $id, indexKey: $key, indexValues: $values) { indexValue status rows }
}`
const extractMany = `query SoakExtract($id: ID!, $etl: String!, $values: [String!]!) {
  extractRealtimeMany(queryId: $id, etlPath: $etl, indexKey: "user_id", indexValues: $values) { status rows }
}`
const follow = `subscription ($id: ID!, $value: String!) {
  featureUpdates(queryId: $id, indexKey: "user_id", indexValue: $value) { status rows }
}`

/** Saves the queries, publishes a little, and has each view made; rejects when that does not go. */
export async function prepare(client: SoakClient, acknowledged: Acknowledged) {
  const first = await client.graphql<{ publish: { id: string } }>('publish', publish, { n: 500 })
  if (first === null) throw new Error('The first publish was refused')
  acknowledged.jobs.add(first.publish.id)
  await ended(client, first.publish.id, new AbortController().signal)
  const queries: SavedQuery[] = []
  const users: string[] = []
  for (const { name, sql, indexKey } of statements) {
    const trained = await client.graphql<Trained>('train', train, { sql, name })
    if (trained === null) throw new Error(`The query ${name} could not be trained`)
    queries.push({ id: trained.queryTrain.query.id, indexKey })
    for (const row of trained.queryTrain.dataset.rows ?? []) {
      if (typeof row.user_id === 'string') users.push(row.user_id)
    }
  }
  const [featured] = queries
  const some = await client.graphql<Trained>('train', train, samples[0])
  if (featured === undefined || some === null) throw new Error('There is no query')
  await client.graphql('extract', extract, { id: featured.id, etl: etlPath })
  for (const { id, indexKey } of queries) {
    const values = indexKey === 'user_id' ? users.slice(0, 5) : ['web', 'mobile']
    await client.graphql('lookup', many, { id, key: indexKey, values })
  }
  await client.graphql('lookup', extractMany, { id: featured.id, etl: etlPath, values: users.slice(0, 5) })
  return { queries, sampleId: some.queryTrain.query.id, users }
}

async function ended(client: SoakClient, jobId: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const job = await client.graphql<{ publishJob: { status: string } }>('follow', jobStatus, { id: jobId })
    if (job !== null && !['QUEUED', 'RUNNING'].includes(job.publishJob.status)) return
    await sleep(250)
  }
}

export interface Load {
  client: SoakClient
  acknowledged: Acknowledged
  queries: readonly SavedQuery[]
  /** The query of the features of some users. */
  sampleId: string
  /** Grows with what is sent. */
  users: string[]
  seed: number
  signal: AbortSignal
}

/** Runs every caller until the signal aborts; resolves when the last has ended what it was at. */
export async function runLoad(load: Load): Promise<void> {
  const callers: [count: number, pauseMs: number, act: Act][] = [
    [3, 5, lookUp],
    [2, 10, lookUpOne],
    [1, 50, lookUpFeatures],
    [2, 400, publishSome],
    [1, 300, sendRows],
    [1, 1_500, trainSomething],
    [2, 200, followSomebody],
    [1, 300, streamSomebody],
    [1, 1_000, downloadSlowly],
  ]
  let number = 0
  await Promise.all(
    callers.flatMap(([count, pauseMs, act]) =>
      Array.from({ length: count }, () => repeat(load, number++, pauseMs, act)),
    ),
  )
}

interface Turn extends Load {
  /** From 0 up to, not including, `below`. */
  draw(below: number): number
  turn: string
}

type Act = (turn: Turn) => Promise<void>

async function repeat(load: Load, caller: number, pauseMs: number, act: Act) {
  const generator = xoroshiro128plus(load.seed * 1000 + caller)
  const draw = (below: number) => Math.floor(((generator.next() >>> 0) / 2 ** 32) * below)
  for (let i = 0; !load.signal.aborted; i++) {
    await act({ ...load, draw, turn: `${caller}-${i}` })
    await sleep(draw(2 * pauseMs))
  }
}

function someUsers({ users, draw }: Turn, count: number): string[] {
  return Array.from({ length: count }, () =>
    draw(20) === 0 ? `nobody ${draw(1000)}` : (users[draw(users.length)] ?? 'nobody'),
  )
}

async function lookUp(turn: Turn) {
  const { client, queries, draw } = turn
  const query = queries[draw(queries.length)]
  if (query === undefined) return
  const values = query.indexKey === 'user_id' ? someUsers(turn, 1 + draw(100)) : ['web', 'mobile', 'none']
  await client.graphql('lookup', many, { id: query.id, key: query.indexKey, values })
}

async function lookUpOne(turn: Turn) {
  const [value] = someUsers(turn, 1)
  const body = { query_id: turn.queries[turn.draw(2)]?.id, index_key: 'user_id', index_value: value }
  await turn.client.rest('lookup', '/query/realtime', body)
}

async function lookUpFeatures(turn: Turn) {
  const values = someUsers(turn, 1 + turn.draw(20))
  await turn.client.graphql('lookup', extractMany, { id: turn.queries[0]?.id, etl: etlPath, values })
}

async function publishSome({ client, acknowledged, draw, signal }: Turn) {
  const answer = await client.graphql<{ publish: { id: string } }>('publish', publish, { n: 20 + draw(200) })
  if (answer === null) return
  acknowledged.jobs.add(answer.publish.id)
  await ended(client, answer.publish.id, signal)
}

async function sendRows({ client, acknowledged, users, draw, turn }: Turn) {
  const ids = Array.from({ length: 1 + draw(20) }, (_, i) => `soak ${turn}-${i}`)
  for (const id of ids) acknowledged.unsure.add(id)
  const rows = ids.map((id) => ({ user_id: id, name: `Name of ${id}`, creation_date: draw(1e9) }))
  const answer = await client.graphql<{ ingest: { id: string } }>('ingest', ingest, { rows })
  if (answer === null) return
  acknowledged.jobs.add(answer.ingest.id)
  for (const id of ids) {
    acknowledged.unsure.delete(id)
    acknowledged.users.add(id)
    if (users.length < 5_000) users.push(id)
  }
}

async function trainSomething({ client, sampleId, users, draw }: Turn) {
  if (draw(3) === 0) {
    await client.graphql('extract', extract, { id: sampleId, etl: etlPath })
    return
  }
  const trained = await client.graphql<Trained>('train', train, samples[draw(samples.length)])
  for (const { user_id: id } of trained?.queryTrain.dataset.rows ?? []) {
    if (typeof id === 'string' && users.length < 5_000) users.push(id)
  }
}

async function followSomebody(turn: Turn) {
  const [value] = someUsers(turn, 1)
  const variables = { id: turn.queries[turn.draw(2)]?.id, value }
  await turn.client.followAndLeave(follow, variables, 1 + turn.draw(2), turn.draw(2) === 0)
}

async function streamSomebody(turn: Turn) {
  const [value] = someUsers(turn, 1)
  await turn.client.streamAndVanish(follow, { id: turn.queries[turn.draw(2)]?.id, value })
}

async function downloadSlowly({ client, draw }: Turn) {
  const trained = await client.graphql<Trained>('train', train, samples[draw(2)])
  if (trained === null) return
  const format = ['parquet', 'ndjson', 'csv', 'arrow'][draw(4)]
  await client.dawdle(`/datasets/${trained.queryTrain.dataset.id}.${format}`, draw(2_000))
}
