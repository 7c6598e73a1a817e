// GraphiQL, whole in one page: nothing of it comes from elsewhere.

import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

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
    query: `# Serves the saved query: from then on its rows are a field, typed to the leaf.
mutation Serve($queryId: ID!) {
  createFeatureView(name: "quotes", queryId: $queryId, indexKey: "user_id") {
    graphqlName
    refresh
  }
}
`,
    variables: '{ "queryId": "qry_…" }',
  },
  {
    query: `# The features of one user, by the field that the view is. Ctrl-Space lists what there is.
query Features($userId: String!) {
  features {
    quotes(userId: $userId) {
      quoteType
      isBinded
    }
  }
}
`,
    variables: '{ "userId": "…" }',
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

/**
 * A tab's animation leaves a place behind to which it jumps from under the pointer as it is pressed, so that nothing is
 * clicked. On a narrow screen the editors and the result lie one above the other.
 */
const styles = `<style>
.graphiql-tab { transform: none !important }
@media (max-width: 700px) {
  .graphiql-logo { display: none }
  .graphiql-container .graphiql-sidebar { width: 44px; padding: 8px 4px }
  .graphiql-container .graphiql-sessions { margin: 4px }
  .graphiql-container .graphiql-main { flex-direction: column }
  .graphiql-container .graphiql-main > .graphiql-horizontal-drag-bar { display: none }
  #graphiql-session { flex-direction: column; gap: 8px; padding: 0 }
  #graphiql-session > div { flex: 1 1 50% !important; width: auto; min-width: 0; min-height: 0 }
  #graphiql-session > .graphiql-horizontal-drag-bar { display: none }
  .graphiql-container .graphiql-query-editor { padding: 8px; column-gap: 8px }
}
</style>`

/** Icons are titled by what their functions are called after the bundler has renamed them; their buttons have labels. */
const iconTitle = '{title:e,...i}'

export interface Page {
  html: Buffer
  gzipped: Buffer
}

/** Loaded and rendered on first use, and kept: the page is some megabytes and always the same. */
export function createGraphiQLPage(endpoint: string, { asksWho }: { asksWho: boolean }): () => Promise<Page> {
  let page: Promise<Page> | undefined
  async function render(): Promise<Page> {
    const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
    const html = Buffer.from(
      renderGraphiQL({
        title: 'Feature gateway',
        endpoint,
        defaultTabs: asksWho ? tabs.map((tab) => ({ ...tab, headers: credentials })) : tabs,
        ...(asksWho && { defaultHeaders: credentials }),
        // A browser's WebSocket carries no headers, and GraphiQL sends them along with no other message.
        subscriptionsProtocol: asksWho ? 'SSE' : 'WS',
      })
        .trim()
        .replace(iconTitle, 'i')
        .replace('</head>', () => `${styles}</head>`),
    )
    return { html, gzipped: await promisify(gzip)(html) }
  }
  return () => {
    page ??= render()
    return page
  }
}
