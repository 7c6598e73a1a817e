// Which adapters have to be tested, by the setting that says so.

import { expect, test } from 'vitest'
import { requiredAdapters } from './adapters.ts'

test('REQUIRE_ADAPTERS names adapters, in any order and spacing; nothing requires none', () => {
  expect(requiredAdapters('redis-cluster, duckdb,')).toEqual(['redis-cluster', 'duckdb'])
  expect(requiredAdapters('')).toEqual([])
})

test('a name that is no adapter is refused with those that there are', () => {
  expect(() => requiredAdapters('postgres,mysql')).toThrow(
    'REQUIRE_ADAPTERS names "mysql", which is no adapter; there are duckdb, postgres, trino, lmdb, redis, redis-cluster',
  )
})
