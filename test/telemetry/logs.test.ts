// The log of a gateway at work: every line of a request names it, and no line holds a password.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { ConfigError } from '../../src/config/config-error.ts'
import { AppError } from '../../src/errors.ts'
import { httpLimits } from '../../src/http/server/limits.ts'
import { createHttpServer } from '../../src/http/server/server.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDataFolder } from '../data-folder.ts'
import { createClient } from '../http/client.ts'

const lines: string[] = []
const log = createLog('debug', { readable: false, destination: { write: (line) => void lines.push(line) } })
const folder = await createDataFolder('logs')
let app: Awaited<ReturnType<typeof createApp>>

beforeAll(async () => {
  app = await createApp(
    parseConfig({ PORT: '0', DATA_DIR: folder.path, ETL_SOURCES: './examples/etl' }),
    log,
    {
      metrics: createMetrics(),
    },
  )
})

afterAll(async () => {
  await app?.close()
  await folder.remove()
})

async function serve(services: Partial<typeof app.services> = {}) {
  const config = parseConfig({ PORT: '0', DATA_DIR: folder.path })
  const server = await createHttpServer({
    config,
    services: { ...app.services, ...services },
    counters: null,
    limits: httpLimits,
    log,
  })
  const { url } = await server.listen()
  return { url, ...createClient(url), close: server.close }
}

function idOf(error: { extensions?: object | undefined } | undefined): string {
  return String({ requestId: null, ...error?.extensions }.requestId)
}

function logged(part: string): Record<string, unknown>[] {
  return lines.filter((line) => line.includes(part)).map((line) => JSON.parse(line))
}

test('a line far from the request, of work that it started, names the request', async () => {
  const server = await serve()
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT 1 AS k, 2 AS n", queryName: "logged") { query { id } } }',
  )
  const document = `mutation ($id: ID!) { extractTrain(queryId: $id, etlPath: "file:./examples/etl/user-summary.sql") { etl { id } } }`
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: document, variables: { id: queryTrain.query.id } }),
  })
  await response.text()
  expect(logged('Saved an ETL')).toMatchObject([{ requestId: response.headers.get('x-request-id') }])
  await server.close()
})

test('an error whose cause is logged carries the id that the log has, over HTTP and over a WebSocket', async () => {
  const failing = () => Promise.reject(new AppError('WAREHOUSE_FAILED', 'The warehouse is away'))
  const training = { ...app.services.training, queryTrain: failing }
  const server = await serve({ training })
  const document = 'mutation { queryTrain(query: "SELECT 1", queryName: "q") { query { id } } }'
  const { errors } = await server.graphql(document)
  const requestId = idOf(errors?.[0])
  expect(requestId).toMatch(/^[0-9a-f-]{36}$/)
  expect(logged('The warehouse is away').filter((line) => line.requestId === requestId)).toHaveLength(1)

  const { createClient: createSocket } = await import('graphql-ws')
  const socket = createSocket({ url: `${server.url.replace('http', 'ws')}/graphql`, retryAttempts: 0 })
  const [answer] = await Array.fromAsync(socket.iterate({ query: document }))
  const ofSocket = idOf(answer?.errors?.[0])
  expect(logged('The warehouse is away').filter((line) => line.requestId === ofSocket)).toHaveLength(1)
  await socket.dispose()
  await server.close()
})

test.each([
  [
    'a URL in the message',
    () => log.info('Trying postgres://ada:hunter2@db.example:5432/x'),
    'ada:***@db.example',
  ],
  [
    'a URL in an object',
    () => log.info({ url: 'redis://:hunter2@cache:6379/0' }, 'Redis'),
    'redis://:***@cache',
  ],
  [
    'a URL whose password holds an @',
    () => log.info('redis://u:hunter2@x@cache:6379'),
    'redis://u:***@cache',
  ],
  [
    'the message of an error',
    () => log.error({ err: new Error('connect https://git:hunter2@host/x') }, 'Failed'),
    'git:***@host',
  ],
  ['a parameter of a URL', () => log.info('GET https://host/x?token=hunter2&v=1'), 'token=***&v=1'],
  [
    'a header that says who asks',
    () => log.info({ req: { headers: { authorization: 'hunter2', cookie: 'a=hunter2' } } }, 'Asked'),
    '"authorization":"***"',
  ],
  ['a bearer token in a text', () => log.warn('refused Bearer hunter2hunter2.x'), 'Bearer ***'],
  [
    'a member named password',
    () => log.info({ options: { password: 'hunter2' } }, 'Connecting'),
    '"password":"***"',
  ],
])('no password is written: %s', (_what, write, instead) => {
  const before = lines.length
  write()
  const written = lines.slice(before).join('')
  expect(written).toContain(instead)
  expect(written).not.toMatch(/:hunter2@|hunter2&|"hunter2"|=hunter2|hunter2\./)
})

test('a setting that is refused is named without its password', () => {
  const faulty = () => parseConfig({ CATALOG_URL: 'mysql://ada:hunter2@db/x' })
  expect(faulty).toThrow(ConfigError)
  expect(faulty).toThrow(/CATALOG_URL="mysql:\/\/ada:\*\*\*@db\/x"/)
})
