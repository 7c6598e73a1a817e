// What an import asks the gateway, as any client does: over GraphQL.

import type { Tables } from './sources.ts'

/** The gateway's no, in its words. */
export class Refused extends Error {}
/** No gateway answered, so nothing else will be taken either. */
export class NoAnswer extends Error {}

export interface ViewGiven {
  name: string
  indexKeys: readonly string[]
  timestampColumn: string
  createdColumn?: string
  eventTtlSeconds?: number
  description?: string
  owner?: string
  tags?: readonly string[]
  features?: readonly { feature: string; description: string }[]
}

export interface ServiceGiven {
  name: string
  features: readonly {
    view: string
    features: readonly string[]
    prefix?: string
    keys: readonly { key: string; column: string }[]
  }[]
  description?: string
  owner?: string
  tags?: readonly string[]
}

interface Query {
  id: string
  sql: string
}

const documents = {
  tables: `query ($search: String, $after: String) {
    tables(search: $search, first: 500, after: $after) { edges { node { name } } pageInfo { hasNextPage endCursor } } }`,
  there: `query ($name: String!) { featureView(name: $name) { query { id sql } } savedQuery(name: $name) { id sql } }`,
  save: `mutation ($name: String!, $sql: String!) {
    queryTrain(queryName: $name, query: $sql) { query { id sql } dataset { status error } } }`,
  view: `mutation ($name: String!, $queryId: ID!, $indexKeys: [String!], $timestampColumn: String, $createdColumn: String,
      $eventTtlSeconds: Int, $description: String, $owner: String, $tags: [String!], $features: [FeatureNoteInput!]) {
    createFeatureView(name: $name, queryId: $queryId, indexKeys: $indexKeys, timestampColumn: $timestampColumn,
      createdColumn: $createdColumn, eventTtlSeconds: $eventTtlSeconds, description: $description, owner: $owner,
      tags: $tags, features: $features) { id } }`,
  service: `mutation ($name: String!, $features: [FeatureRefInput!]!, $description: String, $owner: String, $tags: [String!]) {
    createFeatureService(name: $name, features: $features, description: $description, owner: $owner, tags: $tags) { version } }`,
}

interface Page {
  tables: {
    edges: { node: { name: string } }[]
    pageInfo: { hasNextPage: boolean; endCursor: string | null }
  }
}

export interface Gateway extends Tables {
  /** The view of this name, and the newest query. */
  there(name: string): Promise<{ featureView: { query: Query } | null; savedQuery: Query | null }>
  /** Runs it over its rows and keeps it. Rejects with Refused when it fails. */
  saveQuery(name: string, sql: string): Promise<Query>
  createView(view: ViewGiven & { queryId: string }): Promise<void>
  /** Answers its version. */
  createService(service: ServiceGiven): Promise<number>
}

/** `url` is the gateway's address, for example `http://127.0.0.1:4000`. */
export function createGateway(url: string, token: string | undefined): Gateway {
  const headers = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }

  async function ask<Data>(query: string, variables: object): Promise<Data> {
    const answer = await fetch(`${url.replace(/\/+$/, '')}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query, variables }),
    })
      .then((response) => response.json() as Promise<{ data?: Data | null; errors?: { message: string }[] }>)
      .catch((error: unknown) => {
        throw new NoAnswer(`No gateway answers at ${url}; start it, or name another by --url`, {
          cause: error,
        })
      })
    const fault = answer.errors?.[0]
    if (fault !== undefined) throw new Refused(fault.message)
    if (answer.data == null) throw new NoAnswer(`What answers at ${url} is no gateway; name one by --url`)
    return answer.data
  }

  async function search(text: string): Promise<readonly string[]> {
    const names: string[] = []
    for (let after: string | null = null, more = true; more; ) {
      const { tables }: Page = await ask<Page>(documents.tables, { search: text, after })
      names.push(...tables.edges.map(({ node }) => node.name))
      after = tables.pageInfo.endCursor
      more = tables.pageInfo.hasNextPage
    }
    return names
  }

  return {
    search,
    there: (name) => ask(documents.there, { name }),
    async saveQuery(name, sql) {
      const { queryTrain } = await ask<{
        queryTrain: { query: Query; dataset: { status: string; error: string | null } }
      }>(documents.save, { name, sql })
      const { query, dataset } = queryTrain
      if (dataset.status === 'FAILED') throw new Refused(`its query fails: ${dataset.error}`)
      return query
    },
    async createView(view) {
      await ask(documents.view, view)
    },
    async createService(service) {
      const made = await ask<{ createFeatureService: { version: number } }>(documents.service, service)
      return made.createFeatureService.version
    },
  }
}
