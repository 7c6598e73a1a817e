// Training sets of many rows that come with the request: on the embedded warehouse, and on PostgreSQL.

import { onAdapter } from '../adapters.ts'
import { startPostgres } from '../servers/postgres.ts'
import { testGivenSpines } from './given-spines.ts'

testGivenSpines('DuckDB', async () => ({ url: 'duckdb:', stop: async () => {} }), { refusesNul: false })

onAdapter('postgres', () => testGivenSpines('PostgreSQL', startPostgres))
