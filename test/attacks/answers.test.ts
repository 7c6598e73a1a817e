// Answers that would be too long: rows count in what an operation may cost, and what is too much is refused before it is gathered.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway } from '../http/gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>

beforeAll(async () => {
  gateway = await openGateway()
  server = await gateway.serve()
})

afterAll(async () => {
  await server.close()
  await gateway.close()
})

async function train(sql: string) {
  const { queryTrain } = await server.data<{
    queryTrain: { query: { id: string }; dataset: { id: string } }
  }>(
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "long") { query { id } dataset { id } } }',
    { sql },
  )
  return { queryId: queryTrain.query.id, datasetId: queryTrain.dataset.id }
}

const memoryMb = () => process.memoryUsage().rss / 2 ** 20

test('a page is whole and in order, however wide its rows are', async () => {
  const { datasetId } = await train(
    "SELECT i AS n, repeat('é', CAST(CASE WHEN i % 997 = 0 THEN 20000 ELSE i % 50 END AS INTEGER)) AS text FROM range(9000) r(i)",
  )
  const { dataset } = await server.data<{ dataset: { rows: { n: number; text: string }[] } }>(
    `{ dataset(id: "${datasetId}") { rows(offset: 11, limit: 8000) } }`,
  )
  expect(dataset.rows.map(({ n }) => n)).toEqual(Array.from({ length: 8_000 }, (_, i) => i + 11))
  expect(dataset.rows.every(({ n, text }) => text.length === (n % 997 === 0 ? 20_000 : n % 50))).toBe(true)
  for (const [offset, limit, expected] of [
    [8_990, 500, 10],
    [9_000, 1, 0],
    [20, 20, 20],
  ] as const) {
    const page = await server.data<{ dataset: { rows: unknown[] } }>(
      `{ dataset(id: "${datasetId}") { rows(offset: ${offset}, limit: ${limit}) } }`,
    )
    expect(page.dataset.rows).toHaveLength(expected)
  }
})

test('the largest page is asked for once in an operation, not under forty aliases', async () => {
  const { datasetId } = await train('SELECT i AS n FROM range(10000) r(i)')
  const page = (i: number) => `a${i}: dataset(id: "${datasetId}") { rows(limit: 10000) }`
  expect(await server.graphql(`{ ${page(0)} }`)).not.toHaveProperty('errors')
  for (const count of [2, 40]) {
    const query = `{ ${Array.from({ length: count }, (_, i) => page(i)).join(' ')} }`
    expect((await server.graphql(query)).errors?.[0]?.extensions.code).toBe('TOO_LARGE')
  }
})

test('a page of very wide rows is refused before all of it is read', async () => {
  const { datasetId } = await train("SELECT i AS n, repeat('x', 50000) AS text FROM range(10000) r(i)")
  const before = memoryMb()
  const { errors, data } = await server.graphql(`{ dataset(id: "${datasetId}") { rows(limit: 10000) } }`)
  expect([errors?.[0]?.extensions.code, data]).toEqual(['TOO_LARGE', { dataset: null }])
  expect(memoryMb() - before).toBeLessThan(400)
})

test('lookups of large rows are refused together, on both paths with the same answer', async () => {
  const { queryId } = await train("SELECT i AS n, repeat('x', 9000000) AS text FROM range(9) r(i)")
  const values = (count: number) => JSON.stringify(Array.from({ length: count }, (_, i) => String(i)))
  const ask = (count: number, path = '/graphql') =>
    fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: `{ queryRealtimeMany(queryId: "${queryId}", indexKey: "n", indexValues: ${values(count)}) { indexValue rows } }`,
      }),
    }).then((response) => response.text())
  expect((await ask(3)).length).toBeGreaterThan(27_000_000)
  const answers = [await ask(8), await ask(8), await ask(8, '/graphql?by=yoga')]
  expect(answers[0]).toContain('"code":"TOO_LARGE"')
  expect(new Set(answers).size).toBe(1)
})
