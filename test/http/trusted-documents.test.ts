// Trusted documents: by their id over HTTP, server-sent events and WebSocket, on the hot path too; with `only`, no others.

import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient as createSseClient } from 'graphql-sse'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { featuresOf } from '../../examples/client/features.ts'
import { createTransport, GatewayError } from '../../examples/client/transport.ts'
import { createFolder } from '../servers/child.ts'
import { type Gateway, openGateway } from './gateway.ts'

const lookup =
  'query Lookup($id: ID!, $n: String!) { queryRealtime(queryId: $id, indexKey: "n", indexValue: $n) { rows } }'
const updates =
  'subscription Updates($id: ID!) { featureUpdates(queryId: $id, indexKey: "n", indexValue: "1") { rows } }'
const untrusted = '{ savedQueries { totalCount } }'

const folder = await createFolder('trusted')
const lines: string[] = []
let gateway: Gateway
let only: Awaited<ReturnType<Gateway['serve']>>
let prefer: Awaited<ReturnType<Gateway['serve']>>
let off: Awaited<ReturnType<Gateway['serve']>>
let queryId: string

beforeAll(async () => {
  const file = join(folder.path, 'persisted-documents.json')
  await writeFile(
    file,
    JSON.stringify({ lookup, updates, outdated: '{ gone }', 'sha256:typename': '{ __typename }' }),
  )
  const clientFile = join(import.meta.dirname, '../../examples/client/generated/persisted-documents.json')
  gateway = await openGateway()
  const log = pino({ level: 'info' }, { write: (line) => lines.push(line) })
  const serve = (mode: 'only' | 'prefer' | 'off') =>
    gateway.serve({
      log,
      config: {
        ...gateway.config,
        graphql: {
          ...gateway.config.graphql,
          trustedDocuments: { mode, files: mode === 'off' ? [] : [file, clientFile] },
        },
      },
    })
  only = await serve('only')
  prefer = await serve('prefer')
  off = await serve('off')
  const { queryTrain } = await off.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT i AS n, i * 2 AS twice FROM range(9) r(i)", queryName: "numbers") { query { id } } }',
  )
  queryId = queryTrain.query.id
})

afterAll(async () => {
  for (const server of [only, prefer, off]) await server.close()
  await gateway.close()
  await folder.remove()
})

async function post(url: string, body: unknown) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: await response.json() }
}

const rows = { data: { queryRealtime: { rows: [{ n: 3, twice: 6 }] } } }
const failing = (status: number, code: string, message: RegExp) => ({
  status,
  body: { errors: [{ message: expect.stringMatching(message), extensions: { code } }] },
})

describe('over HTTP', () => {
  test('an id is answered again and again, on both paths', async () => {
    for (let i = 0; i < 3; i++) {
      const variables = { id: queryId, n: '3' }
      expect((await post(only.url, { documentId: 'lookup', variables })).body).toEqual(rows)
      expect(
        (await post(only.url, { documentId: 'lookup', variables, operationName: 'Lookup' })).body,
      ).toEqual(rows)
      expect((await post(only.url, { query: lookup, variables })).body).toEqual(rows)
    }
  })

  test('the SHA-256 of a text is an id too, by GET as well', async () => {
    const id = `sha256:${(await import('node:crypto')).hash('sha256', '{ __typename }')}`
    expect((await post(only.url, { documentId: id })).body).toEqual({ data: { __typename: 'Query' } })
    const response = await fetch(`${only.url}/graphql?documentId=${encodeURIComponent(id)}`)
    expect(await response.json()).toEqual({ data: { __typename: 'Query' } })
  })

  test('only: any other document is refused, whichever way it comes', async () => {
    const refused = failing(403, 'FORBIDDEN', /TRUSTED_DOCUMENTS=only.*documentId/)
    expect(await post(only.url, { query: untrusted })).toMatchObject(refused)
    expect(await post(only.url, { query: `${lookup} ` })).toMatchObject(refused)
    expect(await post(only.url, { query: '{ __schema { types { name } } }' })).toMatchObject(refused)
    for (const [type, body] of [
      ['application/graphql', untrusted],
      ['application/x-www-form-urlencoded', `query=${encodeURIComponent(untrusted)}`],
    ] as const) {
      const headers = { 'content-type': type, 'graphql-require-preflight': '1' }
      const response = await fetch(`${only.url}/graphql`, { method: 'POST', headers, body })
      expect(response.status, type).toBe(403)
    }
    const byGet = await fetch(`${only.url}/graphql?query=${encodeURIComponent(untrusted)}`)
    expect(byGet.status).toBe(403)
  })

  test('an id that is unknown, no text, or beside a query says so', async () => {
    expect(await post(only.url, { documentId: 'other' })).toMatchObject(
      failing(404, 'NOT_FOUND', /"other".*manifest/),
    )
    expect(await post(only.url, { documentId: 7 })).toMatchObject(failing(400, 'BAD_USER_INPUT', /string/))
    expect(await post(only.url, { documentId: 'lookup', query: untrusted })).toMatchObject(
      failing(400, 'BAD_USER_INPUT', /not both/),
    )
    expect(await post(off.url, { documentId: 'lookup' })).toMatchObject(
      failing(404, 'NOT_FOUND', /TRUSTED_DOCUMENTS=off/),
    )
  })

  test('prefer: others are answered, and named in the log once', async () => {
    for (let i = 0; i < 2; i++) expect((await post(prefer.url, { query: untrusted })).status).toBe(200)
    const variables = { id: queryId, n: '3' }
    expect((await post(prefer.url, { documentId: 'lookup', variables })).body).toEqual(rows)
    expect(lines.filter((line) => line.includes('not trusted') && line.includes(untrusted))).toHaveLength(1)
  })

  test('a mutation by its id is not taken by GET', async () => {
    const { __meta__: meta } = (await import('../../examples/client/generated/graphql.ts'))
      .PublishFlowsDocument
    const response = await fetch(`${only.url}/graphql?documentId=${encodeURIComponent(String(meta?.hash))}`)
    expect(response.status).toBe(405)
  })

  test('a document of the manifest that this schema does not have is named at the start', () => {
    expect(lines.filter((line) => line.includes('outdated') && line.includes('gone'))).not.toHaveLength(0)
  })
})

test('over server-sent events, an id is answered and a text refused', async () => {
  const body = (request: Record<string, unknown>) =>
    fetch(`${only.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(request),
    })
  const answered = await body({ documentId: 'updates', variables: { id: queryId } })
  const reader = answered.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!text.includes('twice')) text += (await reader?.read())?.value ?? ''
  await reader?.cancel()
  const client = createSseClient({ url: `${only.url}/graphql`, retryAttempts: 0 })
  const events = client.iterate({ query: untrusted })
  await expect(
    (async () => {
      for await (const { errors } of events) if (errors) throw errors[0]
    })(),
  ).rejects.toBeDefined()
  client.dispose()
})

describe('over WebSocket', () => {
  async function ask(url: string, payload: Record<string, unknown>) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    const messages: { type: string; payload?: unknown }[] = []
    socket.on('message', (data) => messages.push(JSON.parse(String(data))))
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'connection_init' }))
    await once(socket, 'message')
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }))
    await once(socket, 'message')
    socket.terminate()
    return messages[1]
  }

  test('an id is answered, by the typed client too', async () => {
    expect(
      await ask(only.url, { query: '', documentId: 'lookup', variables: { id: queryId, n: '3' } }),
    ).toMatchObject({
      type: 'next',
      payload: rows,
    })
    const gatewayByIds = createTransport(only.url, { byDocumentId: true })
    const etlPath = 'file:./nowhere.ts'
    await expect(featuresOf(gatewayByIds, queryId, etlPath, ['1'])).rejects.toThrow(GatewayError)
    await expect(featuresOf(gatewayByIds, queryId, etlPath, ['1'])).rejects.not.toThrow(/trusted/i)
    await expect(featuresOf(createTransport(only.url), queryId, etlPath, ['1'])).rejects.toThrow(/trusted/i)
  })

  test('any other document is refused', async () => {
    expect(await ask(only.url, { query: untrusted })).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'FORBIDDEN' } }],
    })
    expect(await ask(only.url, { query: '', documentId: 'other' })).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'NOT_FOUND' } }],
    })
  })
})

test('a manifest that cannot be read is one clear sentence', async () => {
  const file = join(folder.path, 'list.json')
  await writeFile(file, '["{ __typename }"]')
  const config = {
    ...gateway.config,
    graphql: { ...gateway.config.graphql, trustedDocuments: { mode: 'only' as const, files: [file] } },
  }
  await expect(gateway.serve({ config })).rejects.toThrow(/TRUSTED_DOCUMENTS_FILE.*list\.json.*JSON object/)
})
