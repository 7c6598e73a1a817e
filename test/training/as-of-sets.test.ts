// Training sets of views whose queries call as_of(), on the embedded warehouse and on PostgreSQL.

import { onAdapter } from '../adapters.ts'
import { startPostgres } from '../servers/postgres.ts'
import { testAsOfSets } from './as-of-sets.ts'

testAsOfSets('DuckDB', async () => ({ url: 'duckdb:', stop: async () => {} }))

onAdapter('postgres', () => testAsOfSets('PostgreSQL', startPostgres))
