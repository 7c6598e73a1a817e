// Trusted documents as the clients of Apollo and urql send them: by the ids of their manifests, which they never send the texts of.

import { hash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries'
import { generatePersistedQueryIdsFromManifest } from '@apollo/persisted-query-lists'
import { Client, fetchExchange, stringifyDocument } from '@urql/core'
import { persistedExchange } from '@urql/exchange-persisted'
import { type DocumentNode, Kind, print } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createFolder } from '../servers/child.ts'
import { type Gateway, openGateway } from './gateway.ts'

const catalog = gql`query Catalog { savedQueries { totalCount __typename } }`
const lookup = gql`query Lookup($id: ID!, $n: String!) { queryRealtime(queryId: $id, indexKey: "n", indexValue: $n) { rows __typename } }`
const untrusted = gql`query Untrusted { featureViews { totalCount __typename } }`
const totals = { savedQueries: { totalCount: 1, __typename: expect.any(String) } }

/** As `npx generate-persisted-query-manifest` writes it. */
const manifest = {
  format: 'apollo-persisted-query-manifest',
  version: 1,
  operations: [catalog, lookup].map((document, i) => ({
    id: hash('sha256', print(document)),
    body: print(document),
    name: i === 0 ? 'Catalog' : 'Lookup',
    type: 'query',
  })),
}

const folder = await createFolder('persisted')
let gateway: Gateway
const servers: Partial<Record<'only' | 'prefer' | 'off', Awaited<ReturnType<Gateway['serve']>>>> = {}
let variables: { id: string; n: string }

beforeAll(async () => {
  const apolloFile = join(folder.path, 'manifest.json')
  await writeFile(apolloFile, JSON.stringify(manifest))
  const urqlFile = join(folder.path, 'urql.json')
  const texts = { 'urql-Catalog': stringifyDocument(catalog), 'urql-Lookup': stringifyDocument(lookup) }
  await writeFile(urqlFile, JSON.stringify(texts))
  gateway = await openGateway()
  for (const mode of ['only', 'prefer', 'off'] as const) {
    const trustedDocuments = { mode, files: mode === 'off' ? [] : [apolloFile, urqlFile] }
    servers[mode] = await gateway.serve({
      config: { ...gateway.config, graphql: { ...gateway.config.graphql, trustedDocuments } },
    })
  }
  const trained = await servers.off?.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT i AS n FROM range(9) r(i)", queryName: "numbers") { query { id } } }',
  )
  variables = { id: trained?.queryTrain.query.id ?? '', n: '3' }
})

afterAll(async () => {
  for (const server of Object.values(servers)) await server.close()
  await gateway.close()
  await folder.remove()
})

type Mode = keyof typeof servers

/** Notes what was sent. */
function recording() {
  const sent: string[] = []
  const record: typeof fetch = (input, init) => {
    sent.push(`${init?.method ?? 'GET'} ${String(input)} ${String(init?.body ?? '')}`)
    return fetch(input, init)
  }
  return { sent, fetch: record }
}

function apollo(mode: Mode, options: PersistedQueryLink.Options) {
  const { sent, fetch } = recording()
  const link = ApolloLink.from([
    new PersistedQueryLink(options),
    new HttpLink({ uri: `${servers[mode]?.url}/graphql`, fetch }),
  ])
  return { client: new ApolloClient({ link, cache: new InMemoryCache() }), sent }
}

const fromManifest = generatePersistedQueryIdsFromManifest({ loadManifest: async () => manifest })
const bySha256 = { sha256: (text: string) => hash('sha256', text) }

describe('Apollo Client', () => {
  test('asks by the ids of its manifest, on both paths and by GET', async () => {
    const { client, sent } = apollo('only', fromManifest)
    expect((await client.query({ query: catalog })).data).toEqual(totals)
    for (let i = 0; i < 3; i++) {
      const found = await client.query({ query: lookup, variables, fetchPolicy: 'no-cache' })
      expect(found.data).toMatchObject({ queryRealtime: { rows: [{ n: 3 }] } })
    }
    expect(sent.filter((each) => each.includes('totalCount') || each.includes('queryRealtime'))).toEqual([])
    const byGet = apollo('only', { ...fromManifest, useGETForHashedQueries: true })
    expect((await byGet.client.query({ query: catalog })).data).toEqual(totals)
    expect(byGet.sent[0]).toMatch(/^GET .*sha256Hash/)
  })

  test('is told that a manifest is older', async () => {
    const older = { ...manifest, operations: [{ id: 'gone', name: 'Catalog', type: 'query', body: '' }] }
    const { client } = apollo(
      'only',
      generatePersistedQueryIdsFromManifest({ loadManifest: async () => older }),
    )
    await expect(client.query({ query: catalog })).rejects.toThrow(/404|manifest/)
  })

  test('sends the text of what is no trusted document where that is answered', async () => {
    for (const mode of ['prefer', 'off'] as const) {
      const { client, sent } = apollo(mode, bySha256)
      const answer = await client.query({ query: untrusted })
      expect(answer.data, mode).toMatchObject({ featureViews: { totalCount: expect.any(Number) } })
      expect(sent, mode).toHaveLength(2)
    }
    const { client } = apollo('only', bySha256)
    await expect(client.query({ query: untrusted })).rejects.toThrow(/404|manifest/)
  })
})

function urql(mode: Mode, options: Parameters<typeof persistedExchange>[0]) {
  const { sent, fetch } = recording()
  const client = new Client({
    url: `${servers[mode]?.url}/graphql`,
    fetch,
    exchanges: [persistedExchange(options), fetchExchange],
  })
  return { client, sent }
}

describe('urql', () => {
  const nameOf = ({ definitions: [first] }: DocumentNode) =>
    first?.kind === Kind.OPERATION_DEFINITION ? first.name?.value : undefined
  const enforced = {
    enforcePersistedQueries: true,
    generateHash: async (_text: string, document: DocumentNode) => `urql-${nameOf(document)}`,
  }

  test('asks by the ids of its manifest, by GET and by POST', async () => {
    const { client, sent } = urql('only', enforced)
    const answer = await client.query(catalog, {}).toPromise()
    expect(answer.data, String(answer.error)).toEqual(totals)
    expect(sent[0]).toMatch(/^GET .*sha256Hash/)
    const byPost = urql('only', { ...enforced, preferGetForPersistedQueries: false })
    for (let i = 0; i < 3; i++) {
      const found = await byPost.client
        .query(lookup, variables, { requestPolicy: 'network-only' })
        .toPromise()
      expect(found.data, String(found.error)).toMatchObject({ queryRealtime: { rows: [{ n: 3 }] } })
    }
    expect(byPost.sent.every((each) => !each.includes('queryRealtime'))).toBe(true)
  })

  test('sends the text of what is no trusted document where that is answered', async () => {
    for (const mode of ['prefer', 'off'] as const) {
      const { client, sent } = urql(mode, {})
      const answer = await client.query(untrusted, {}).toPromise()
      expect(answer.data, `${mode} ${answer.error}`).toMatchObject({
        featureViews: { totalCount: expect.any(Number) },
      })
      expect(sent, mode).toHaveLength(2)
    }
  })
})
