// Random requests: each says all that is sent, so that a seed and a number name it.

import fc from 'fast-check'
import { damaged } from './damaged.ts'
import { documentText, trickyText } from './documents.ts'
import { scriptText } from './scripts.ts'
import { statementText } from './statements.ts'

export interface FuzzRequest {
  kind: 'document' | 'variables' | 'sql' | 'etl' | 'rest' | 'path'
  method: string
  path: string
  headers: Record<string, string>
  body: string | null
  /** With every scope, with `realtime` alone, or without a token. */
  caller: 'admin' | 'realtime' | 'nobody'
  /** The source of an ETL, to be put into the allowed folder as this name first. */
  file: { name: string; source: string } | null
}

/** What the gateway that is asked holds; `queryId` has the columns k and n. */
export interface Known {
  queryId: string
  datasetId: string
  etlFolder: string
  secretFile: string
}

const json = { 'content-type': 'application/json' }

type Asked = Omit<FuzzRequest, 'caller'>

function graphql(kind: FuzzRequest['kind'], query: string, variables: unknown): Asked {
  return {
    kind,
    method: 'POST',
    path: '/graphql',
    headers: json,
    body: JSON.stringify({ query, variables }),
    file: null,
  }
}

const train = `mutation ($sql: String!) {
  queryTrain(query: $sql, queryName: "fuzz", save: false, waitMs: 20000) { dataset { id status error rows(limit: 3) columns { name type } } }
}`
const extract = `query ($id: ID!, $path: String!) {
  extractRealtime(queryId: $id, etlPath: $path, indexKey: "k", indexValue: "k") { status rows }
}`
const lookUp = `query ($id: ID!, $key: String!, $values: [String!]!) {
  queryRealtimeMany(queryId: $id, indexKey: $key, indexValues: $values) { status rows source }
}`

/** Of which megabytes are made: some take long to read, and longer to judge. */
const fragment = fc.constantFrom(
  '0,',
  '"",',
  '{},',
  '[],',
  '[[]],',
  '{"a":1},',
  '9007199254740993,',
  '1e300,',
  '"\\u0000",',
  '"\\"",',
  'null,',
  '[{"a":[{"b":""}]}],',
)

export function requestsFor({ queryId, datasetId, etlFolder, secretFile }: Known): fc.Arbitrary<FuzzRequest> {
  const sql = statementText.map((text) => text.replaceAll('SECRET', secretFile))
  const variables = fc.oneof(
    fc.record({
      id: fc.constantFrom(queryId, 'qry_0'),
      key: fc.constantFrom('k', 'n', '__proto__'),
      values: fc.array(trickyText, { maxLength: 5 }),
    }),
    fc.record({ id: fc.jsonValue(), key: fc.jsonValue(), values: fc.jsonValue() }),
  )
  const large = fc
    .tuple(fc.array(fragment, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 8_000_000 }))
    .map(([fragments, length]) => {
      const items = fragments.join('')
      const values = `[${items.repeat(Math.ceil(length / items.length))}0]`
      return {
        ...graphql('variables', '', {}),
        body: `{"query":${JSON.stringify(lookUp)},"variables":{"id":"q","key":"k","values":${values}}}`,
      }
    })
  const etl = fc.tuple(
    fc.nat(1e9),
    fc.oneof(
      { weight: 3, arbitrary: scriptText.map((source) => ({ source, extension: 'js' })) },
      scriptText.map((source) => ({ source, extension: 'ts' })),
      sql.map((source) => ({ source: source.replaceAll('feature_store.users', 'input'), extension: 'sql' })),
    ),
  )
  const bodies = fc.oneof(
    sql.map((query) => ({ route: '/query/train?save=false', body: { query, query_name: 'fuzz' } })),
    trickyText.map((value) => ({
      route: '/query/realtime',
      body: { query_id: queryId, index_key: 'k', index_value: value },
    })),
    fc.tuple(trickyText, trickyText).map(([etl_path, etl_name]) => ({
      route: '/extract/train?save=false',
      body: { query_id: queryId, etl_path, etl_name },
    })),
    trickyText.map((etl_path) => ({
      route: '/extract/realtime',
      body: { query_id: queryId, etl_path, index_key: 'k', index_value: 'k' },
    })),
  )
  const contentTypes = fc.constantFrom(
    'application/json',
    'application/json',
    'text/plain',
    'multipart/form-data; boundary=a',
    'application/json; charset=utf-16',
    'application/x-www-form-urlencoded',
  )
  const paths = fc.constantFrom(
    `/datasets/${datasetId}.csv`,
    `/datasets/${datasetId}.exe`,
    '/datasets/..%2f..%2fsecret.csv',
    '/datasets/%2e%2e/secret.csv',
    `/datasets/${datasetId}%00.parquet`,
    '/datasets/__proto__.csv',
    `/datasets/${datasetId}.csv/../../secret.csv`,
    '/graphql?query=%7B',
    '/graphql?query={__typename}&variables=[]',
    '/docs/../secret.csv',
    '/docs/static/..%2f..%2f..%2f..%2fetc/passwd',
    '/openapi.json',
    '/readyz',
    '/%',
    '/%ff%fe',
    '//etc/passwd',
    `/datasets/${'a'.repeat(5000)}.csv`,
  )
  const documents = documentText.map((text) =>
    text.replaceAll('qry_0', queryId).replaceAll('dst_0', datasetId),
  )
  const caller = fc.constantFrom<FuzzRequest['caller'][]>(
    ...Array(7).fill('admin'),
    'realtime',
    'realtime',
    'nobody',
  )
  const asked: fc.Arbitrary<Asked> = fc.oneof(
    { weight: 4, arbitrary: documents.map((query) => graphql('document', query, undefined)) },
    { weight: 2, arbitrary: variables.map((given) => graphql('variables', lookUp, given)) },
    { weight: 1, arbitrary: large },
    { weight: 5, arbitrary: sql.map((text) => graphql('sql', train, { sql: text })) },
    {
      weight: 3,
      arbitrary: etl.map(([number, { source, extension }]) => {
        const name = `fuzz-${number}.${extension}`
        return {
          ...graphql('etl', extract, { id: queryId, path: `file:${etlFolder}/${name}` }),
          file: { name, source },
        }
      }),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(bodies, contentTypes, fc.boolean(), fc.integer({ min: 0, max: 1e9 }))
        .chain(([{ route, body }, type, isDamaged]) => {
          const text = fc.constant(JSON.stringify(body))
          return (
            isDamaged ? damaged(text, ['"', '{', '\0', '__proto__', '1e999', '[', '\\ud800']) : text
          ).map(
            (sent): Asked => ({
              kind: 'rest',
              method: 'POST',
              path: route,
              headers: { 'content-type': type },
              body: sent,
              file: null,
            }),
          )
        }),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          paths,
          fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS'),
          fc.constantFrom(
            {},
            { range: 'bytes=-1,5-2' },
            { range: 'bytes=0-99999999999' },
            { accept: 'text/event-stream' },
          ),
        )
        .map(
          ([path, method, headers]): Asked => ({
            kind: 'path',
            method,
            path,
            headers: headers as Record<string, string>,
            body: null,
            file: null,
          }),
        ),
    },
  )
  return fc.tuple(asked, caller).map(([request, by]) => ({ ...request, caller: by }))
}
