// Which results stand in the README: one for each kind of work, beside the peer that a reader knows.

import type { Comparison } from './comparison.ts'

/** How a work begins, and whom it stands beside. */
const headlines: readonly [work: string, peer: string][] = [
  ['queryRealtime, 1 key × 10 features', 'bare node:http + ioredis'],
  ['queryRealtime, 1 key × 10 features', 'Apollo Server'],
  ['queryRealtimeMany, 100 keys × 10 features', 'bare node:http + ioredis'],
  ['extractRealtimeMany, 100 keys, a five-line TypeScript ETL', 'the lookup without ETL'],
  ['typed, 1 key', 'bare node:http + ioredis'],
  ['typed, 1 key', 'Mercurius + JIT'],
  ['typed, 100 keys, 10 of 10', 'bare node:http + ioredis'],
  ['POST /online-features, 1 entity', 'node:http + one MGET'],
  ['POST /online-features, 100 entities', 'node:http + one MGET'],
  ['POST /get-online-features, 1 entity', "Feast's server"],
  ['POST /get-online-features, 100 entities', "Feast's server"],
  ['a training set of 100,000 rows out of 1,000,000', 'Feast, get_historical_features of its file store'],
  ['a training set of 1,000,000 rows as of their times', 'DuckDB, ASOF LEFT JOIN (wrong for nulls and ties)'],
  [
    'a training set of 100,000 rows out of 5,000,000 in PostgreSQL',
    'psql, LATERAL … ORDER BY … LIMIT 1, thrown away',
  ],
  ['queryTrain of 10,000,000 rows to Parquet', 'DuckDB COPY'],
  ['upload of 1009 MB of Parquet, ', 'DuckDB, COPY FROM the same file'],
  ['upload of 1009 MB of Parquet to PostgreSQL', 'psql, COPY FROM the same rows as CSV'],
]

/** Of speeds alone; memory stands with all the others. */
export function isHeadline({ work, peer, measure }: Comparison): boolean {
  return /a second/.test(measure) && headlines.some(([begins, by]) => work.startsWith(begins) && peer === by)
}
