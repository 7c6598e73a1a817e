// The promise on tables and statements made at random, on each warehouse. PROMISE_SECONDS, of each, makes it longer.

import { expect, test } from 'vitest'
import { tries } from '../../thorough.ts'
import { attackPlace } from './attack.ts'
import { onDuckdb, onPostgres } from './stacks.ts'

const seed = Number(process.env.PROMISE_SEED ?? 20261130)
const seconds = Number(process.env.PROMISE_SECONDS ?? tries({ all: 10, part: 0 }))
/** However short it is. */
const fewestRuns = tries({ all: 2, part: 1 })
const statements = seconds > 0 ? 60 : 10

const places = {
  'DuckDB and LMDB': onDuckdb,
  'the machine’s PostgreSQL and Redis': () => onPostgres('MACHINE'),
  'PostgreSQL 17 and Redis': () => onPostgres('PACKAGE'),
}

test.each(Object.entries(places))(
  'on %s nothing is served otherwise than training and the statement promise',
  async (_name, open) => {
    const place = await open()
    try {
      const { findings, ...counts } = await attackPlace(place, { seed, seconds, fewestRuns, statements })
      if (seconds > 0) console.log(`${place.name}: ${JSON.stringify(counts)}, seed ${seed}`)
      expect(findings.join('\n\n')).toBe('')
      expect(counts.statements).toBeGreaterThan((fewestRuns * statements) / 3)
      expect(counts.byKey).toBeGreaterThan(0)
      expect(counts.comparisons).toBeGreaterThan(fewestRuns * statements)
    } finally {
      await place.stop()
    }
  },
  600_000 + seconds * 2000,
)
