// That a training set is of one state of the warehouse: the embedded one, and PostgreSQL.

import { onAdapter } from '../adapters.ts'
import { startPostgres } from '../servers/postgres.ts'
import { testOneState } from './one-state.ts'

testOneState('DuckDB', async () => ({ url: 'duckdb:', stop: async () => {} }))

onAdapter('postgres', () => testOneState('PostgreSQL', startPostgres))
