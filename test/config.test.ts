// Settings: defaults, derived paths, and all faults at once.

import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError, parseConfig } from '../src/config.ts'

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

test('traces are sent where the standard variables say where to, unless they turn the SDK off', () => {
  expect(parseConfig({}).tracing).toBe(false)
  const there = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }
  expect(parseConfig(there).tracing).toBe(true)
  expect(parseConfig({ ...there, OTEL_SDK_DISABLED: 'true' }).tracing).toBe(false)
  expect(() => parseConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' })).toThrow(
    /OTEL_EXPORTER_OTLP_ENDPOINT/,
  )
})
