// GraphiQL, whole in one page: nothing of it comes from elsewhere.

import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'

const firstQuery = `# The feature gateway. Run one of these with Ctrl-Enter, or press its name in the menu of the play button.

query Catalog {
  savedQueries(first: 10) {
    totalCount
    edges { node { id name version sql columns { name type nullable } } }
  }
  featureViews(first: 10) {
    edges { node { name indexKey refresh refreshedAt } }
  }
}

mutation Publish {
  publish(nFlows: 1000) { id status total }
}

mutation Train {
  queryTrain(query: "SELECT user_id, quote_type, is_binded FROM feature_store.quotes", queryName: "quotes") {
    query { id version }
    dataset { id status rowCount rows(limit: 5) downloads { parquet csv } }
  }
}

query Lookup($queryId: ID!, $userId: String!) {
  queryRealtime(queryId: $queryId, indexKey: "user_id", indexValue: $userId) { status source asOf rows }
}

subscription Progress($jobId: ID!) {
  publishProgress(jobId: $jobId) { status done total flowsPerSecond etaSeconds }
}
`

export interface Page {
  html: Buffer
  gzipped: Buffer
}

/** Rendered on first use and kept: the page is some megabytes and always the same. */
export function createGraphiQLPage(endpoint: string): () => Promise<Page> {
  let page: Promise<Page> | undefined
  async function render(): Promise<Page> {
    const html = Buffer.from(
      renderGraphiQL({
        title: 'Feature gateway',
        endpoint,
        defaultQuery: firstQuery,
        subscriptionsProtocol: 'WS',
      }).trim(),
    )
    return { html, gzipped: await promisify(gzip)(html) }
  }
  return () => {
    page ??= render()
    return page
  }
}
