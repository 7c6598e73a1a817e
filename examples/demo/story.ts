// The story: publish, train, extract, look up, compare. Each chapter prints what a client gets back.

import { SingleBar } from 'cli-progress'
import Table from 'cli-table3'
import { createDemoClient, type DemoClient } from './client.ts'

const quoteFeatures = `SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time
FROM feature_store.quotes Q
LEFT JOIN feature_store.policies P ON Q.user_id = P.user_id
LEFT JOIN feature_store.transactions T ON P.user_id = T.user_id
LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count
           from feature_store.transactions T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`

const delays = `SELECT origin, count(*) AS flights, round(avg(delay), 2) AS mean_delay, max(distance) AS farthest
FROM files."flights-3m" GROUP BY origin ORDER BY flights DESC`

type Cells = Record<string, unknown>

interface Dataset {
  id: string
  status: string
  rowCount: string
  elapsedMs: number
  error: string | null
  columns: { name: string; type: string; nullable: boolean }[]
  rows: Cells[]
}

interface Lookup {
  indexValue: string
  status: string
  source: string
  rows: Cells[]
}

const datasetFields = 'id status rowCount elapsedMs error columns { name type nullable } rows(limit: 400)'
const lookupFields = 'indexValue status source rows'

export async function playStory(options: { url: string; etlPath: string }): Promise<void> {
  const client = createDemoClient(options.url)
  await publishFlows(client, 1000)
  const training = await trainQuery(client, quoteFeatures, 'quote_features')
  await trainQuery(client, delays, 'delays_by_origin')
  await extractFeatures(client, training.queryId, options.etlPath)
  const users = [
    ...new Set(training.dataset.rows.map((row) => row.user_id).filter((id) => typeof id === 'string')),
  ]
  await lookUpOneByOne(client, training.queryId, users.slice(0, 3))
  await lookUpMany(client, training.queryId, options.etlPath, users.slice(0, 100))
  await proveParity(client)
}

function chapter(title: string) {
  console.log(`\n── ${title}`)
}

function createTable(head: string[]) {
  const colours = process.stdout.isTTY === true
  return new Table({
    head,
    style: { head: colours ? ['cyan'] : [], border: colours ? ['grey'] : [], compact: true },
  })
}

/** The first rows of `total` as a small table, cut to what fits. */
function printRows(rows: readonly Cells[], limit: number, total: number) {
  const names = Object.keys(rows[0] ?? {})
  const table = createTable(names)
  for (const row of rows.slice(0, limit)) table.push(names.map((name) => cell(row[name])))
  console.log(table.toString())
  if (total > limit) console.log(`… and ${total - limit} more`)
}

function cell(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value ?? null)
  return text.length > 22 ? `${text.slice(0, 21)}…` : text
}

async function publishFlows(client: DemoClient, nFlows: number) {
  chapter(`Publish ${nFlows} flows, followed by a subscription`)
  const { publish } = await client.request<{ publish: { id: string } }>(
    'mutation ($n: Int!) { publish(nFlows: $n) { id } }',
    { n: nFlows },
  )
  const bar = new SingleBar({
    format: '{bar} {percentage}% · {value}/{total} flows · {rate} a second · {status}',
    noTTYOutput: true,
    notTTYSchedule: 500,
    barsize: 40,
    clearOnComplete: false,
    emptyOnZero: true,
  })
  bar.start(nFlows, 0, { rate: '–', status: 'QUEUED' })
  type Progress = { done: number; status: string; flowsPerSecond: number | null; error: string | null }
  let last: Progress | undefined
  await client.follow<{ publishProgress: Progress }>(
    'subscription ($id: ID!) { publishProgress(jobId: $id) { done status flowsPerSecond error } }',
    { id: publish.id },
    ({ publishProgress }) => {
      last = publishProgress
      const rate = publishProgress.flowsPerSecond?.toFixed(0) ?? '–'
      bar.update(publishProgress.done, { rate, status: publishProgress.status })
    },
  )
  bar.stop()
  if (last?.status !== 'SUCCEEDED') throw new Error(`The publish ended as ${last?.status}: ${last?.error}`)
}

async function trainQuery(client: DemoClient, sql: string, name: string) {
  chapter(`Train: ${name}`)
  console.log(sql)
  const { queryTrain } = await client.request<{ queryTrain: { query: { id: string }; dataset: Dataset } }>(
    `mutation ($sql: String!, $name: String!) {
      queryTrain(query: $sql, queryName: $name) { query { id } dataset { ${datasetFields} } }
    }`,
    { sql, name },
  )
  const { query, dataset } = queryTrain
  printDataset(dataset)
  return { queryId: query.id, dataset }
}

function printDataset(dataset: Dataset) {
  if (dataset.status !== 'SUCCEEDED') throw new Error(`${dataset.id} is ${dataset.status}: ${dataset.error}`)
  const columns = dataset.columns.map(
    (column) => `${column.name} ${column.type}${column.nullable ? '' : '!'}`,
  )
  console.log(`${dataset.rowCount} rows in ${dataset.elapsedMs.toFixed(0)} ms: ${columns.join(', ')}`)
  printRows(dataset.rows, 5, Number(dataset.rowCount))
}

async function extractFeatures(client: DemoClient, queryId: string, etlPath: string) {
  chapter(`Extract with an ETL from git: ${etlPath}`)
  const { extractTrain } = await client.request<{
    extractTrain: { etl: { language: string; version: number; commit: string }; dataset: Dataset }
  }>(
    `mutation ($queryId: ID!, $etlPath: String!) {
      extractTrain(queryId: $queryId, etlPath: $etlPath) {
        etl { language version commit } dataset { ${datasetFields} }
      }
    }`,
    { queryId, etlPath },
  )
  const { etl, dataset } = extractTrain
  console.log(`${etl.language}, version ${etl.version}, pinned to commit ${etl.commit.slice(0, 12)}`)
  printDataset(dataset)
}

async function lookUpOneByOne(client: DemoClient, queryId: string, users: readonly string[]) {
  chapter('Look users up in real time, one by one')
  const table = createTable(['user_id', 'status', 'source', 'ms', 'rows'])
  for (const user of users) {
    const startedAt = performance.now()
    const { queryRealtime } = await client.request<{ queryRealtime: Lookup }>(
      `query ($queryId: ID!, $user: String!) {
        queryRealtime(queryId: $queryId, indexKey: "user_id", indexValue: $user) { ${lookupFields} }
      }`,
      { queryId, user },
    )
    const elapsed = (performance.now() - startedAt).toFixed(1)
    table.push([
      user,
      queryRealtime.status,
      queryRealtime.source,
      elapsed,
      JSON.stringify(queryRealtime.rows).slice(0, 60),
    ])
  }
  console.log(table.toString())
}

async function lookUpMany(client: DemoClient, queryId: string, etlPath: string, users: readonly string[]) {
  chapter(
    `Extract ${users.length} users' features in real time, at once (twice: the second time they are online)`,
  )
  for (let round = 1; round <= 2; round++) {
    const startedAt = performance.now()
    const { extractRealtimeMany } = await client.request<{ extractRealtimeMany: Lookup[] }>(
      `query ($queryId: ID!, $etlPath: String!, $users: [String!]!) {
        extractRealtimeMany(queryId: $queryId, etlPath: $etlPath, indexKey: "user_id", indexValues: $users) { ${lookupFields} }
      }`,
      { queryId, etlPath, users },
    )
    const elapsed = (performance.now() - startedAt).toFixed(1)
    const sources = Map.groupBy(extractRealtimeMany, (lookup) => lookup.source)
    const counts = [...sources].map(([source, lookups]) => `${lookups.length} from ${source}`).join(', ')
    console.log(`${extractRealtimeMany.length} answers in ${elapsed} ms: ${counts}`)
    if (round === 2)
      printRows(
        extractRealtimeMany.flatMap((lookup) => lookup.rows),
        3,
        users.length,
      )
  }
}

async function proveParity(client: DemoClient) {
  chapter('Parity: what training sees is what serving sees')
  const { featureViews } = await client.request<{
    featureViews: { edges: { node: { id: string; name: string; refresh: string } }[] }
  }>('{ featureViews(first: 10) { edges { node { id name refresh } } } }')
  const table = createTable(['feature view', 'refresh', 'sampled', 'mismatched', 'missing', 'extra'])
  for (const { node } of featureViews.edges) {
    const { parity } = await client.request<{ parity: Record<string, number> }>(
      'query ($id: ID!) { parity(featureViewId: $id, sample: 200) { sampled mismatched missing extra } }',
      { id: node.id },
    )
    table.push([node.name, node.refresh, parity.sampled, parity.mismatched, parity.missing, parity.extra])
  }
  console.log(table.toString())
}
