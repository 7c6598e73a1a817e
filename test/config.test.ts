// Settings: defaults, derived paths, and all faults at once.

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseConfig, settingNames } from '../src/config/config.ts'
import { ConfigError } from '../src/config/config-error.ts'

test('without any setting everything is embedded and listens on loopback', () => {
  const config = parseConfig({})
  expect(config).toMatchObject({
    host: '127.0.0.1',
    port: 4000,
    dataDir: resolve('data'),
    catalogUrl: 'pglite:',
    warehouseUrl: 'duckdb:',
    onlineUrl: 'lmdb:',
    etlSources: { hosts: [], folders: [] },
  })
})

test.for(['duckdb:/a.duckdb', 'postgres://host/db', 'trino://host:8080/catalog'])(
  'the warehouse may be %s',
  (url) => {
    expect(parseConfig({ WAREHOUSE_URL: url }).warehouseUrl).toBe(url)
  },
)

test('the engine’s instances share what it may hold', () => {
  for (const megabytes of [512, 2048, 3001]) {
    const shares = Object.values(parseConfig({ WAREHOUSE_MEMORY_MB: `${megabytes}` }).engineMemoryMb)
    const sum = shares.reduce((total, share) => total + share)
    expect(sum).toBeLessThanOrEqual(megabytes)
    expect(sum).toBeGreaterThan(megabytes - 8)
  }
})

test('an empty variable counts as unset', () => {
  expect(parseConfig({ PORT: '', ONLINE_URL: '' })).toEqual(parseConfig({}))
})

test('ETL sources are hosts or folders, by how they begin', () => {
  const { etlSources } = parseConfig({ ETL_SOURCES: 'github.com, localhost:8080,/srv/etl, ./etl' })
  expect(etlSources).toEqual({
    hosts: ['github.com', 'localhost:8080'],
    folders: ['/srv/etl', resolve('etl')],
  })
})

test('pages of other sites are named by their origins, never all at once', () => {
  const { corsOrigins } = parseConfig({ CORS_ORIGINS: 'https://app.example.com, http://localhost:5173' })
  expect(corsOrigins).toEqual(['https://app.example.com', 'http://localhost:5173'])
  for (const wrong of ['*', 'app.example.com', 'https://app.example.com/']) {
    expect(() => parseConfig({ CORS_ORIGINS: wrong })).toThrow(/CORS_ORIGINS=.*https:\/\/app.example.com/)
  }
})

test('every fault is reported, each with the setting, what was given and what it may be', () => {
  const faulty = () =>
    parseConfig({ PORT: '70000', LOG_LEVEL: 'loud', CATALOG_URL: 'mysql://x', DATA_DIR: 'ok' })
  expect(faulty).toThrow(ConfigError)
  expect(faulty).toThrow(/PORT="70000".*65535/)
  expect(faulty).toThrow(/LOG_LEVEL="loud".*info/)
  expect(faulty).toThrow(/CATALOG_URL="mysql:\/\/x": must begin with one of pglite:, postgres:/)
})

/** Of each number the least and the most that it may be. */
const bounds: Record<string, [least: number, most: number]> = {
  PORT: [0, 65_535],
  TRAIN_CONCURRENCY: [1, 64],
  TRAIN_TIMEOUT_SECONDS: [1, 86_400],
  TRAIN_QUEUE: [1, 1_000_000],
  TRAIN_MAX_ROWS: [1, Number.MAX_SAFE_INTEGER],
  TRAIN_MAX_MB: [1, 1_000_000_000],
  PUBLISH_CONCURRENCY: [1, 64],
  PUBLISH_QUEUE: [1, 1_000_000],
  UPLOAD_MAX_MB: [1, 1_000_000],
  WAREHOUSE_MEMORY_MB: [512, 1_048_576],
  ETL_TIMEOUT_MS: [10, 600_000],
  ETL_MEMORY_MB: [16, 65_536],
  LOOKUP_MAX_ROWS: [1, 10_000_000],
  LOOKUP_MAX_MB: [1, 1024],
  LOOKUP_TIMEOUT_MS: [10, 600_000],
  MAX_INDEX_VALUES: [1, 1_000_000],
  MAX_REQUESTS: [1, 1_000_000],
  MAX_EVENT_LOOP_DELAY_MS: [10, 60_000],
  STALL_TIMEOUT_SECONDS: [1, 86_400],
  MAX_CONNECTIONS_PER_CALLER: [1, 1_000_000],
  MAX_SUBSCRIPTIONS: [1, 1_000_000],
  WORKERS: [1, 64],
  JWT_CLOCK_TOLERANCE_SECONDS: [0, 300],
  DOWNLOAD_LINK_SECONDS: [10, 604_800],
  DATASET_RETENTION_DAYS: [0.001, 36_500],
  DATASETS_MAX_MB: [1, 1_000_000_000],
  JOB_RETENTION_DAYS: [0.001, 36_500],
  DRAIN_SECONDS: [0, 3600],
}

describe('a number', () => {
  const shared = { CATALOG_URL: 'postgres://a/b', WAREHOUSE_URL: 'postgres://a/b', ONLINE_URL: 'redis://a' }

  test.each(Object.entries(bounds))('%s is from %j', (name, [least, most]) => {
    for (const value of [least, most])
      expect(() => parseConfig({ ...shared, [name]: `${value}` })).not.toThrow()
    for (const value of [least - 1, most + 2, 'many', 'NaN', 'Infinity', '1,000'])
      expect(() => parseConfig({ ...shared, [name]: `${value}` })).toThrow(`${name}="${value}": `)
  })
})

test.each([
  ...['TRUST_PROXY', 'INTROSPECTION', 'GRAPHIQL', 'GRAPHQL_GET', 'METRICS_OPEN', 'OTEL_SDK_DISABLED'].map(
    (name) => [name, 'yes'],
  ),
  ['RATE_LIMIT', '600'],
  ['RATE_LIMIT', '0/60'],
  ['RATE_LIMIT', '600/minute'],
  ['AUTH', 'off'],
  ['WAREHOUSE_URL', 'snowflake://account'],
  ['ONLINE_URL', 'memcached://host'],
  ['TRUSTED_DOCUMENTS', 'always'],
  ['TRUSTED_DOCUMENTS', 'only'],
  ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'collector:4318'],
])('%s=%s is refused by its name', (name, value) => {
  expect(() => parseConfig({ [name]: value })).toThrow(`${name}="${value}": `)
})

test.each([
  ['WAREHOSE_URL', 'WAREHOUSE_URL'],
  ['ONLINE_URI', 'ONLINE_URL'],
  ['ETL_SOURCE', 'ETL_SOURCES'],
  ['RATE_LIMITS', 'RATE_LIMIT'],
])('%s is told to be nearly %s', (name, meant) => {
  const sentence = `${name} is no setting, and is not read: is ${meant} meant?`
  expect(parseConfig({ [name]: 'x' }).misspelt).toEqual([sentence])
  expect(() => parseConfig({ [name]: 'x', PORT: 'eighty' })).toThrow(sentence)
})

test('other programs’ variables are not taken for misspelt settings', () => {
  const others = ['HOME', 'PATH', 'HOSTNAME', 'USER', 'LOGNAME', 'PORTAGE', 'OTEL_SERVICE_NAME', 'NODE_ENV']
  expect(parseConfig(Object.fromEntries(others.map((name) => [name, 'x']))).misspelt).toEqual([])
})

test.each(['CATALOG_URL', 'WAREHOUSE_URL'])('%s with an unescaped # says how it is written', (name) => {
  const faulty = () => parseConfig({ [name]: 'postgres://me:hunter#2@host/db' })
  expect(faulty).toThrow(new RegExp(`${name}="postgres://me:\\*\\*\\*@host/db": .*%23`))
})

test('a lakehouse table’s path is resolved behind its format', () => {
  const config = parseConfig({
    WAREHOUSE_FILES: 'delta:./lake/a,./b.csv',
    WAREHOUSE_EXTENSIONS: './extensions',
  })
  expect(config.warehouseFiles).toEqual([`delta:${resolve('lake/a')}`, resolve('b.csv')])
  expect(config.warehouseExtensions).toEqual([resolve('extensions')])
})

test('files beside a warehouse that mounts none are refused', () => {
  expect(() => parseConfig({ WAREHOUSE_URL: 'postgres://host/db', WAREHOUSE_FILES: '/data' })).toThrow(
    /WAREHOUSE_FILES="\/data": .*embedded warehouse alone/,
  )
})

test('workers need stores that processes share, and are told which are not', () => {
  expect(() => parseConfig({ WORKERS: '2', ONLINE_URL: 'redis://host' })).toThrow(
    /WORKERS="2": .*set CATALOG_URL, WAREHOUSE_URL to a server/,
  )
})

test('the README tells of every setting', async () => {
  const readme = await readFile('README.md', 'utf8')
  const silent = settingNames.filter((name) => !readme.includes(`\`${name}\``))
  // The standard's own, of which the README names the usual one.
  expect(silent).toEqual(['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_SDK_DISABLED'])
})

test('traces are sent where the standard variables say where to, unless they turn the SDK off', () => {
  expect(parseConfig({}).tracing).toBe(false)
  const there = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }
  expect(parseConfig(there).tracing).toBe(true)
  expect(parseConfig({ ...there, OTEL_SDK_DISABLED: 'true' }).tracing).toBe(false)
  expect(() => parseConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' })).toThrow(
    /OTEL_EXPORTER_OTLP_ENDPOINT/,
  )
})

describe('who may come in', () => {
  test.each(['0.0.0.0', '::', '192.168.1.5', 'gateway.internal', '2130706433', '::ffff:10.0.0.1'])(
    'HOST=%s is refused where nobody is asked, and the sentence says what to set',
    (HOST) => {
      expect(() => parseConfig({ HOST })).toThrow(
        /HOST=.*nobody is asked who they are\. Set AUTH=required.*AUTH=none-a-proxy-authenticates/,
      )
      expect(parseConfig({ HOST, AUTH: 'required' }).auth.required).toBe(true)
      expect(parseConfig({ HOST, AUTH: 'none-a-proxy-authenticates' }).auth.required).toBe(false)
    },
  )

  test.each(['127.0.0.1', '127.8.9.10', '::1', 'localhost', '::ffff:127.0.0.1'])(
    'HOST=%s is loopback',
    (HOST) => {
      expect(parseConfig({ HOST }).auth).toMatchObject({
        required: false,
        jwt: null,
        downloadLinkSeconds: 3600,
        openMetrics: false,
        ownNamesOnly: true,
      })
    },
  )

  const tokens = { AUTH: 'required', JWT_ISSUER: 'https://issuer', JWT_AUDIENCE: 'gateway' }
  const JWT_SECRET = 'a secret of thirty-two characters'

  test('tokens come from a JWKS or a shared secret, each with algorithms of its own kind', () => {
    const JWT_JWKS_URL = 'https://issuer/keys'
    expect(parseConfig({ ...tokens, JWT_JWKS_URL }).auth.jwt).toEqual({
      issuer: 'https://issuer',
      audience: 'gateway',
      jwksUrl: JWT_JWKS_URL,
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      clockToleranceSeconds: 30,
    })
    expect(parseConfig({ ...tokens, JWT_SECRET }).auth.jwt).toMatchObject({ algorithms: ['HS256'] })
  })

  test.each([
    [{ ...tokens, AUTH: 'none', JWT_SECRET }, /AUTH="none": tokens are asked for with AUTH=required/],
    [{ AUTH: 'required', JWT_SECRET }, /JWT_ISSUER="": tokens need it.*\n.*JWT_AUDIENCE="": tokens need it/],
    [{ ...tokens, JWT_SECRET: 'guessable' }, /JWT_SECRET=\*\*\*: must have at least 32 characters/],
    [{ ...tokens, JWT_JWKS_URL: 'http://issuer/keys' }, /JWT_JWKS_URL=.*must be an https URL/],
    [{ ...tokens, JWT_JWKS_URL: 'https://issuer/keys', JWT_SECRET }, /set this or JWT_SECRET, not both/],
    [
      { ...tokens, JWT_JWKS_URL: 'https://i/k', JWT_ALGORITHMS: 'RS256,HS256,none' },
      /JWT_ALGORITHMS=.*not HS256, none/,
    ],
    [{ ...tokens, JWT_SECRET, JWT_ALGORITHMS: 'RS256' }, /may hold HS256, HS384, HS512, not RS256/],
  ])('%j is refused', (env, sentence) => {
    expect(() => parseConfig(env)).toThrow(sentence)
  })

  test('no password of a URL is shown', () => {
    expect(() => parseConfig({ CATALOG_URL: 'mysql://me:hunter2@host/db' })).toThrow('mysql://me:***@host/db')
  })
})
