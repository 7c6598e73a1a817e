// GraphiQL, whole in one page: nothing of it comes from elsewhere.

import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'

/** The tabs that greet a newcomer, in the order of the story. */
const tabs = [
  {
    query: `# What the catalog holds. Ctrl-Enter runs it.
query Catalog {
  savedQueries(first: 10) {
    totalCount
    edges {
      node {
        id
        name
        version
        columns { name type nullable }
      }
    }
  }
  featureViews(first: 10) {
    edges { node { name indexKey refresh } }
  }
}
`,
  },
  {
    query: `# Writes a thousand emulated users' journeys.
mutation Publish {
  publish(nFlows: 1000) {
    id
    status
    total
  }
}
`,
  },
  {
    query: `# Follows a publish job: put its id into the variables.
subscription Progress($jobId: ID!) {
  publishProgress(jobId: $jobId) {
    status
    done
    total
    flowsPerSecond
    etaSeconds
  }
}
`,
    variables: '{ "jobId": "job_…" }',
  },
  {
    query: `# Runs SQL into a dataset and saves it under a name.
mutation Train {
  queryTrain(
    query: "SELECT user_id, quote_type, is_binded FROM feature_store.quotes"
    queryName: "quotes"
  ) {
    query { id version }
    dataset {
      status
      rowCount
      rows(limit: 5)
      downloads { parquet csv }
    }
  }
}
`,
  },
  {
    query: `# The same rows for one user, in real time.
query Lookup($queryId: ID!, $userId: String!) {
  queryRealtime(
    queryId: $queryId
    indexKey: "user_id"
    indexValue: $userId
  ) {
    status
    source
    asOf
    rows
  }
}
`,
    variables: '{ "queryId": "qry_…", "userId": "…" }',
  },
]

/** What is to be filled in, where callers have to say who they are. */
const credentials = '{ "Authorization": "Bearer <API key or token>" }'

export interface Page {
  html: Buffer
  gzipped: Buffer
}

/** Rendered on first use and kept: the page is some megabytes and always the same. */
export function createGraphiQLPage(endpoint: string, { asksWho }: { asksWho: boolean }): () => Promise<Page> {
  let page: Promise<Page> | undefined
  async function render(): Promise<Page> {
    const html = Buffer.from(
      renderGraphiQL({
        title: 'Feature gateway',
        endpoint,
        defaultTabs: asksWho ? tabs.map((tab) => ({ ...tab, headers: credentials })) : tabs,
        ...(asksWho && { defaultHeaders: credentials }),
        // A browser's WebSocket carries no headers, and GraphiQL sends them along with no other message.
        subscriptionsProtocol: asksWho ? 'SSE' : 'WS',
      }).trim(),
    )
    return { html, gzipped: await promisify(gzip)(html) }
  }
  return () => {
    page ??= render()
    return page
  }
}
