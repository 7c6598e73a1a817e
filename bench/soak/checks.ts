// What must hold once the load is over: nothing wrong is served, nothing acknowledged is lost or doubled, nothing leaks.

import { setTimeout as sleep } from 'node:timers/promises'
import { parseExposition } from '../../test/telemetry/exposition.ts'
import type { Acknowledged } from './actors.ts'
import type { SoakClient } from './client.ts'
import { readUsage, slopeOf, type Usage } from './usage.ts'

export interface Check {
  what: string
  holds: boolean
  found: string
}

/** The rows of one dataset of a query, asked for until it is answered. */
async function rowsOf(client: SoakClient, sql: string): Promise<Record<string, unknown>[]> {
  const trained = await client.graphql<{
    queryTrain: { dataset: { rows: Record<string, unknown>[] } }
  }>(
    'count',
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "soak counts", save: false) { dataset { rows(limit: 1000) } } }',
    { sql },
  )
  return trained?.queryTrain.dataset.rows ?? []
}

interface Job {
  id: string
  kind: string
  status: string
  total: number
  done: number
  error: string | null
}

export async function allJobs(client: SoakClient): Promise<Job[]> {
  const jobs: Job[] = []
  let after: string | null = null
  for (;;) {
    const page: {
      publishJobs: { edges: { node: Job }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } }
    } | null = await client.graphql(
      'jobs',
      `query ($after: String) { publishJobs(first: 100, after: $after) {
        edges { node { id kind status total done error } } pageInfo { hasNextPage endCursor } } }`,
      { after },
    )
    if (page === null) throw new Error('The publish jobs could not be listed')
    jobs.push(...page.publishJobs.edges.map(({ node }) => node))
    if (!page.publishJobs.pageInfo.hasNextPage) return jobs
    after = page.publishJobs.pageInfo.endCursor
  }
}

/** Resolves when no job waits or runs, or after so long. */
export async function settle(client: SoakClient, withinMs: number): Promise<void> {
  const untilMs = Date.now() + withinMs
  while (Date.now() < untilMs) {
    const jobs = await allJobs(client)
    if (jobs.every(({ status }) => !['QUEUED', 'RUNNING'].includes(status))) return
    await sleep(500)
  }
}

export async function checkPublished(client: SoakClient, acknowledged: Acknowledged): Promise<Check[]> {
  const jobs = await allJobs(client)
  const byId = new Map(jobs.map((job) => [job.id, job]))
  const lost = [...acknowledged.jobs].filter((id) => !byId.has(id))
  const undone = jobs.filter(({ status, done, total }) => status !== 'SUCCEEDED' || done !== total)
  const flows = jobs.filter(({ kind }) => kind === 'FLOWS').reduce((sum, { total }) => sum + total, 0)
  const [counted] = await rowsOf(
    client,
    'SELECT count(*) AS quotes, count(DISTINCT quote_id) AS ids FROM feature_store.quotes',
  )
  const [sent] = await rowsOf(
    client,
    "SELECT count(*) AS n, count(DISTINCT user_id) AS ids FROM feature_store.users WHERE user_id LIKE 'soak %'",
  )
  const [n, ids] = [Number(sent?.n), Number(sent?.ids)]
  const [least, most] = [acknowledged.users.size, acknowledged.users.size + acknowledged.unsure.size]
  return [
    {
      what: 'every acknowledged publish is in the catalog, and every job succeeded',
      holds: lost.length === 0 && undone.length === 0,
      found: `${acknowledged.jobs.size} acknowledged, ${lost.length} lost, ${undone.length} of ${jobs.length} not done${undone[0] ? `, such as ${JSON.stringify(undone[0])}` : ''}`,
    },
    {
      what: "every job's flows are in the warehouse exactly once",
      holds: Number(counted?.quotes) === flows && Number(counted?.ids) === flows,
      found: `${flows} flows, ${counted?.quotes} quotes, ${counted?.ids} different`,
    },
    {
      what: 'every acknowledged row is in the warehouse exactly once',
      holds: n === ids && ids >= least && ids <= most,
      found: `${least} rows acknowledged, ${most - least} without an answer, ${n} there, ${ids} different`,
    },
  ]
}

interface Parity {
  sampled: number
  mismatched: number
  missing: number
  extra: number
  examples: unknown[]
}

export async function checkParity(client: SoakClient): Promise<Check[]> {
  const listed = await client.graphql<{
    featureViews: { edges: { node: { id: string; name: string; refresh: string } }[] }
  }>('views', '{ featureViews(first: 100) { edges { node { id name refresh } } } }')
  const checks: Check[] = []
  for (const { node } of listed?.featureViews.edges ?? []) {
    const { id, name, refresh } = node
    const answer = await client.graphql<{ parity: Parity }>(
      'parity',
      'query ($id: ID!) { parity(featureViewId: $id, sample: 2000) { sampled mismatched missing extra examples } }',
      { id },
    )
    const { sampled = 0, mismatched = 1, missing = 0, extra = 0, examples = [] } = answer?.parity ?? {}
    const faults = mismatched + missing + extra
    checks.push({
      what: `${name} (${refresh}) serves what training gives`,
      holds: answer !== null && faults === 0 && sampled > 0,
      found: `${sampled} values compared, ${faults} faults${faults > 0 ? ` ${JSON.stringify(examples).slice(0, 400)}` : ''}`,
    })
  }
  if (checks.length === 0) checks.push({ what: 'views are there to compare', holds: false, found: 'none' })
  return checks
}

/** So many descriptors more than before the load are the pools': anything that leaks with each connection exceeds it soon. */
const descriptorsAllowed = 60
/** Connections of the pools, of each gateway, that may not have been open before the load. */
const connectionsAllowed = 40

export interface Before {
  pid: number
  descriptors: number
  connections: Record<string, number>
}

/** Waits for what closes by itself (idle connections of pools and of callers) before it counts. */
export async function checkLeaks(
  url: string,
  before: Before,
  connections: () => Promise<Record<string, number>>,
): Promise<Check[]> {
  const untilMs = Date.now() + 20_000
  for (;;) {
    const { value } = parseExposition(await (await fetch(`${url}/metrics`)).text())
    const open = value('gateway_connections')
    const descriptors = readUsage(before.pid)?.descriptors ?? Number.POSITIVE_INFINITY
    const stores = await connections()
    const checks = [
      {
        what: 'no connection of a client that is gone is held',
        holds: open === 0,
        found: `${open} WebSockets and event streams open`,
      },
      {
        what: `no file descriptor leaks (at most ${descriptorsAllowed} more than before the load)`,
        holds: descriptors <= before.descriptors + descriptorsAllowed,
        found: `${before.descriptors} before, ${descriptors} after`,
      },
      ...Object.entries(stores).map(([store, count]) => ({
        what: `no connection to ${store} leaks (at most ${connectionsAllowed} more than before the load)`,
        holds: count <= (before.connections[store] ?? 0) + connectionsAllowed,
        found: `${before.connections[store] ?? 0} before, ${count} after`,
      })),
    ]
    if (checks.every(({ holds }) => holds) || Date.now() > untilMs) return checks
    await sleep(1_000)
  }
}

export function checkMemory(samples: readonly Usage[], maxMbPerMinute: number): Check {
  const slope = slopeOf(samples)
  const sizes = samples.map(({ anonymousMb }) => anonymousMb)
  return {
    what: `memory is flat once it is warm (at most ${maxMbPerMinute} MB a minute)`,
    holds: slope !== null && slope <= maxMbPerMinute,
    found: `${slope?.toFixed(1)} MB a minute over ${samples.length} samples, between ${Math.min(...sizes).toFixed(0)} and ${Math.max(...sizes).toFixed(0)} MB`,
  }
}
