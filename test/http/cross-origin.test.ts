// Pages of other sites in a real Chromium: those that CORS_ORIGINS names may use the gateway, others may not.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Chromium, startChromium } from '../servers/chromium.ts'
import { type Gateway, openGateway } from './gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let chromium: Chromium
let site: Server
/** The same page under the origin that is named, and under one that is not. */
let origins: { named: string; other: string }

beforeAll(async () => {
  site = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<title>An application</title>')
  }).listen(0, '127.0.0.1')
  await once(site, 'listening')
  const { port } = site.address() as AddressInfo
  origins = { named: `http://localhost:${port}`, other: `http://127.0.0.1:${port}` }
  gateway = await openGateway({ CORS_ORIGINS: origins.named, RATE_LIMIT: '1000/1' })
  server = await gateway.serve()
  chromium = await startChromium()
}, 120_000)

afterAll(async () => {
  await chromium.stop()
  await server.close()
  await gateway.close()
  site.close()
})

async function openPage(origin: string) {
  const page = await chromium.newPage()
  await page.goto(origin)
  return page
}

test('a page of a named origin asks by GraphQL and REST, reads what headers say, and downloads by range', async () => {
  const page = await openPage(origins.named)
  const seen = await page.evaluate(async (url) => {
    const headers = { 'content-type': 'application/json' }
    const query =
      'mutation { queryTrain(query: "SELECT 1 AS a", queryName: "one") { dataset { downloads { parquet } } } }'
    const body = JSON.stringify({ query })
    const trained = await fetch(`${url}/graphql`, { method: 'POST', headers, body })
    const { data } = (await trained.json()) as {
      data: { queryTrain: { dataset: { downloads: { parquet: string } } } }
    }
    const part = await fetch(data.queryTrain.dataset.downloads.parquet, { headers: { range: 'bytes=0-3' } })
    const published = await fetch(`${url}/publish?n_flows=1`, { method: 'PUT' })
    const lost = { query_id: 'qry_none', index_key: 'a', index_value: '1' }
    const failed = await fetch(`${url}/query/realtime`, {
      method: 'POST',
      headers,
      body: JSON.stringify(lost),
    })
    return {
      requestId: trained.headers.get('x-request-id'),
      policy: trained.headers.get('ratelimit-policy'),
      part: await part.text(),
      range: part.headers.get('content-range'),
      published: published.status,
      failed: (await failed.json()) as { code: string },
    }
  }, server.url)
  expect(seen).toMatchObject({
    requestId: expect.stringMatching(/.{36}/),
    policy: expect.stringContaining('1000'),
    part: 'PAR1',
    range: expect.stringMatching(/^bytes 0-3\//),
    published: 200,
    failed: { code: 'NOT_FOUND' },
  })
})

test('a page of a named origin reads why the gateway refuses to be called by that name', async () => {
  const page = await openPage(origins.named)
  const refused = await page.evaluate(
    async (url) => {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"query":"{ __typename }"}',
      })
      return { status: answer.status, body: (await answer.json()) as { code: string } }
    },
    `${server.url.replace('127.0.0.1', 'gateway.test')}/graphql`,
  )
  expect(refused).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } })
})

/** The close code of a WebSocket that the page opens, or "open". */
function openSocket(url: string) {
  return new Promise<string>((resolve) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    socket.onopen = () => resolve('open')
    socket.onclose = ({ code }) => resolve(String(code))
  })
}

test('a page of a named origin opens a WebSocket, any other page none', async () => {
  const named = await openPage(origins.named)
  const other = await openPage(origins.other)
  expect(await named.evaluate(openSocket, server.url)).toBe('open')
  expect(await other.evaluate(openSocket, server.url)).toBe('1006')
})

test('a page of any other origin reads nothing', async () => {
  const page = await openPage(origins.other)
  const outcome = await page.evaluate(async (url) => {
    const ask = (init: RequestInit, path = '/graphql') =>
      fetch(`${url}${path}`, init).then(
        () => 'answered',
        (error: Error) => error.name,
      )
    const headers = { 'content-type': 'application/json' }
    return {
      post: await ask({ method: 'POST', headers, body: '{"query":"{__typename}"}' }),
      get: await ask({}, '/graphql?query={__typename}'),
      put: await ask({ method: 'PUT' }, '/publish?n_flows=1'),
    }
  }, server.url)
  expect(outcome).toEqual({ post: 'TypeError', get: 'TypeError', put: 'TypeError' })
})
