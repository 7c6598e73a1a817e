// A table whose column changes its type under a saved query that is served: training and serving say so alike, and nothing wrong is kept.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { createFolder } from '../servers/child.ts'
import { startPostgres } from '../servers/postgres.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { type Settings, startGateway } from './gateway.ts'

async function start(settings: Settings) {
  const folder = await createDataFolder('schema-changes')
  onTestFinished(folder.remove)
  const gateway = await startGateway(folder.path, settings)
  onTestFinished(gateway.stop)

  async function trainQuery(sql: string) {
    const { data, errors } = await gateway.graphql(
      `mutation ($sql: String!) { queryTrain(query: $sql, queryName: "changing") {
        query { id } dataset { columns { name type } rows(limit: 9) } } }`,
      { sql },
    )
    const trained = data?.queryTrain as
      | { query: { id: string }; dataset: { columns: object[]; rows: object[] } }
      | undefined
    return { trained, error: errors?.[0] }
  }

  async function serve(queryId: string, value: string) {
    const { data, errors } = await gateway.graphql(
      'query ($queryId: ID!, $value: String!) { queryRealtime(queryId: $queryId, indexKey: "k", indexValue: $value) { source rows } }',
      { queryId, value },
    )
    return {
      found: data?.queryRealtime as { source: string; rows: object[] } | undefined,
      error: errors?.[0],
    }
  }

  return { ...gateway, trainQuery, serve }
}

const mismatch = (was: string, is: string) => ({
  extensions: { code: 'SCHEMA_MISMATCH', details: { differences: [`"n" was ${was} and is ${is}`] } },
})

/** A value of `fresh`, which was never looked up, is computed; that of `a` is online already. */
async function expectSchemaKept(
  sql: string,
  gateway: Awaited<ReturnType<typeof start>>,
  table: {
    types: readonly [string, string]
    becomesOther(): Promise<void>
    becomesWider(): Promise<void>
    isBack(): Promise<void>
  },
) {
  const { trained } = await gateway.trainQuery(sql)
  const queryId = trained?.query.id ?? ''
  for (const source of ['WAREHOUSE', 'ONLINE'])
    expect((await gateway.serve(queryId, 'a')).found).toEqual({ source, rows: [{ k: 'a', n: 1 }] })

  await table.becomesOther()
  for (let again = 0; again < 2; again++) {
    expect((await gateway.trainQuery(sql)).error).toMatchObject(mismatch(...table.types))
    expect((await gateway.serve(queryId, 'fresh')).error).toMatchObject(mismatch(...table.types))
  }

  await table.becomesWider()
  const wider = await gateway.trainQuery(sql)
  expect(wider.trained?.dataset).toMatchObject({ columns: trained?.dataset.columns ?? [] })
  expect(wider.trained?.dataset.rows).toContainEqual({ k: 'fresh', n: 2 })
  expect((await gateway.serve(queryId, 'fresh')).found?.rows).toEqual([{ k: 'fresh', n: 2 }])

  await table.isBack()
  expect((await gateway.trainQuery(sql)).trained?.dataset.rows).toContainEqual({ k: 'a', n: 1 })
  expect((await gateway.serve(queryId, 'a')).found?.rows).toEqual([{ k: 'a', n: 1 }])
}

test('on PostgreSQL', async () => {
  const postgres = await startPostgres()
  onTestFinished(postgres.stop)
  await execute(
    postgres.url,
    "CREATE TABLE changing (k text, n int); INSERT INTO changing VALUES ('a', 1), ('fresh', 2)",
  )
  const gateway = await start({ WAREHOUSE_URL: postgres.url })
  await expectSchemaKept('SELECT * FROM changing', gateway, {
    types: ['INT32', 'STRING'],
    becomesOther: async () =>
      void (await execute(postgres.url, 'ALTER TABLE changing ALTER n TYPE text USING n || chr(120)')),
    becomesWider: async () =>
      void (await execute(
        postgres.url,
        'ALTER TABLE changing ALTER n TYPE int USING rtrim(n, chr(120))::int, ADD COLUMN more text',
      )),
    isBack: async () => void (await execute(postgres.url, 'ALTER TABLE changing DROP COLUMN more')),
  })
})

test('of a mounted file', async () => {
  const folder = await createFolder('mounted')
  onTestFinished(folder.remove)
  const file = join(folder.path, 'changing.csv')
  await writeFile(file, 'k,n\na,1\nfresh,2\n')
  const gateway = await start({ WAREHOUSE_FILES: file })
  await expectSchemaKept('SELECT * FROM files.changing', gateway, {
    types: ['INT64', 'FLOAT64'],
    becomesOther: () => writeFile(file, 'k,n\na,1.5\nfresh,2\n'),
    becomesWider: () => writeFile(file, 'more,n,k\nx,1,a\ny,2,fresh\n'),
    isBack: () => writeFile(file, 'k,n\na,1\nfresh,2\n'),
  })
})
