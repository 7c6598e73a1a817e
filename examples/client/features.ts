// A backend's use of the gateway, typed to the leaf: publish and follow, train, extract, look up.

import { graphql } from './generated/gql.ts'
import type { Transport } from './transport.ts'

const publishFlows = graphql(`
  mutation PublishFlows($nFlows: Int!, $seed: Int) {
    publish(nFlows: $nFlows, seed: $seed) { id status total }
  }
`)

const followPublish = graphql(`
  subscription FollowPublish($jobId: ID!) {
    publishProgress(jobId: $jobId) { status done total flowsPerSecond error }
  }
`)

const trainQuery = graphql(`
  mutation TrainQuery($query: String!, $queryName: String!) {
    queryTrain(query: $query, queryName: $queryName) {
      query { id version }
      dataset { id status rowCount columns { name type nullable } rows(limit: 100) downloads { parquet } }
    }
  }
`)

const extractTraining = graphql(`
  mutation ExtractTraining($queryId: ID!, $etlPath: String!) {
    extractTrain(queryId: $queryId, etlPath: $etlPath) {
      etl { id version contentSha256 }
      dataset { id status rowCount columns { name type nullable } rows(limit: 5) downloads { parquet } }
    }
  }
`)

const extractForUsers = graphql(`
  query ExtractForUsers($queryId: ID!, $etlPath: String!, $userIds: [String!]!) {
    extractRealtimeMany(queryId: $queryId, etlPath: $etlPath, indexKey: "user_id", indexValues: $userIds) {
      indexValue status rows source asOf
    }
  }
`)

/** Publishes emulated flows, tells each step to `onProgress`, and resolves when they are written and served. */
export async function publishAndFollow(
  gateway: Transport,
  flows: { nFlows: number; seed?: number },
  onProgress: (done: number, total: number) => void,
): Promise<string> {
  const { publish } = await gateway.request(publishFlows, { nFlows: flows.nFlows, seed: flows.seed ?? null })
  for await (const { publishProgress } of gateway.subscribe(followPublish, { jobId: publish.id })) {
    onProgress(publishProgress.done, publishProgress.total)
    if (publishProgress.status === 'FAILED') throw new Error(publishProgress.error ?? 'The publish failed')
  }
  return publish.id
}

/** Runs a query for training and saves it under a name; its id serves the same features in real time. */
export async function train(gateway: Transport, query: string, queryName: string) {
  const { queryTrain } = await gateway.request(trainQuery, { query, queryName })
  return queryTrain
}

/** Runs the saved query and the ETL for training. */
export async function extract(gateway: Transport, queryId: string, etlPath: string) {
  const { extractTrain } = await gateway.request(extractTraining, { queryId, etlPath })
  return extractTrain
}

/** The same features for some users, now: one round trip however many there are. */
export async function featuresOf(gateway: Transport, queryId: string, etlPath: string, userIds: string[]) {
  const { extractRealtimeMany } = await gateway.request(extractForUsers, { queryId, etlPath, userIds })
  return extractRealtimeMany
}
