// A gateway with views of every type, of several keys, in time and through an ETL, and services over them, for the tests that two ways to them answer alike.

import { openGateway } from './gateway.ts'

export type TypedGateway = Awaited<ReturnType<typeof openTypedGateway>>

export async function openTypedGateway() {
  const gateway = await openGateway({ ETL_SOURCES: `${import.meta.dirname}/etl` })
  const server = await gateway.serve()
  await makeEntries(server)
  return {
    gateway,
    server,
    async close() {
      await server.close()
      await gateway.close()
    },
  }
}

type Server = Pick<Awaited<ReturnType<Awaited<ReturnType<typeof openGateway>>['serve']>>, 'data'>

async function makeEntries(server: Server) {
  await createView(server, 'driver_stats', ['driver_id'], everyType)
  await createView(server, 'trips', ['city', 'n'], trips)
  await createView(
    server,
    'flags',
    ['yes', 'exact'],
    'SELECT i > 1 AS yes, i + 0.5::DECIMAL(9, 1) AS exact, \'é\' AS é, i AS "__proto__x" FROM range(3) r(i)',
  )
  await createView(server, 'in_time', ['n'], inTime, { timestampColumn: 'at', eventTtlSeconds: 86_400 })
  await createView(server, 'alone', ['n'], 'SELECT i AS n, i AS v FROM range(5) r(i)', {
    etlPath: `file:${import.meta.dirname}/etl/alone.js`,
  })
  await createService(server, 'one_view', { features: [{ view: 'driver_stats' }] })
  await createService(server, 'joined', {
    features: [
      { view: 'trips', features: ['far', 'zero'] },
      {
        view: 'driver_stats',
        features: ['small', 'struct', 'text'],
        keys: [{ key: 'driver_id', column: 'n' }],
      },
      { view: 'in_time', prefix: 't_' },
      { view: 'alone', prefix: 'a_' },
    ],
  })
  await createService(server, 'scored', {
    features: [{ view: 'driver_stats', features: ['small'] }],
    etlPath: `file:${import.meta.dirname}/etl/scored.js`,
    requestColumns: [
      { name: 'amount', type: 'DECIMAL', storage: 'DECIMAL(18,2)' },
      { name: 'note', type: 'STRING', nullable: true },
    ],
  })
}

const everyType = `SELECT i AS driver_id, i::INTEGER AS small, 9007199254740993 + i AS big, i / 0.0 AS infinite, 0.1 * i AS tenth,
  (i || '.12345678901234567890')::DECIMAL(38, 20) AS exact, 'é😀"\\' AS text, '\\x00\\xFF'::BLOB AS bytes, DATE '1969-12-31' AS day,
  TIMESTAMP '2026-01-01 00:00:00.000001' AS at, i > 1 AS yes, [i, NULL] AS list, NULL::BIGINT[] AS no_list,
  {'b': i, '1': 'x', 'inner': [{'deep': 9007199254740993, 'é': NULL}]} AS struct, '{"b": [1], "1": {"toJSON": 1}, "a": 9007199254740993}'::JSON AS json
  FROM range(8) r(i)`
const trips = `SELECT c AS city, i::SMALLINT AS n, 1e300 * i AS far, -0.0::DOUBLE AS zero FROM range(4) r(i), (SELECT unnest(['', 'a', 'é', '日本', '"', '\\', '__proto__']) AS c)
  UNION ALL SELECT 'a', 2::SMALLINT, 7, 1`

/** Old ones, some of this hour, some that are to come. */
const inTime = `SELECT i AS n, at_half - to_hours(30 * i) + to_days(j) AS at, j AS v, [{'é': j}] AS nested
  FROM range(5) r(i), range(-2, 2) s(j), (SELECT TIMESTAMP '${new Date(Date.now() - 1_800_000).toISOString().slice(0, 19)}.123456' AS at_half)`

async function createView(
  server: Server,
  name: string,
  indexKeys: readonly string[],
  sql: string,
  { etlPath, ...more }: { etlPath?: string; timestampColumn?: string; eventTtlSeconds?: number } = {},
) {
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } } }',
    { sql, name },
  )
  const queryId = queryTrain.query.id
  const extracted =
    etlPath &&
    (await server.data<{ extractTrain: { etl: { id: string } } }>(
      'mutation ($queryId: ID!, $etlPath: String!) { extractTrain(queryId: $queryId, etlPath: $etlPath) { etl { id } } }',
      { queryId, etlPath },
    ))
  const etlId = extracted ? extracted.extractTrain.etl.id : null
  await server.data(
    'mutation ($name: String!, $queryId: ID!, $etlId: ID, $indexKeys: [String!], $timestampColumn: String, $eventTtlSeconds: Int) { createFeatureView(name: $name, queryId: $queryId, etlId: $etlId, indexKeys: $indexKeys, timestampColumn: $timestampColumn, eventTtlSeconds: $eventTtlSeconds) { id } }',
    { name, queryId, etlId, indexKeys, ...more },
  )
}

async function createService(server: Server, name: string, more: Record<string, unknown>) {
  await server.data(
    'mutation ($name: String!, $features: [FeatureRefInput!]!, $etlPath: String, $requestColumns: [ColumnInput!]) { createFeatureService(name: $name, features: $features, etlPath: $etlPath, requestColumns: $requestColumns) { id } }',
    { name, ...more },
  )
}
