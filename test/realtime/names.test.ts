// Names of queries, ETLs and index keys: whatever is accepted when it is saved is served too.

import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { longestName } from '../../src/catalog/database/violations.ts'
import { AppError } from '../../src/errors.ts'
import { quoteName } from '../../src/sql/sql-text.ts'
import { tries } from '../thorough.ts'
import { openStack, type Stack } from './stack.ts'

let stack: Stack
let etls = 0

beforeAll(async () => {
  stack = await openStack()
})

afterAll(() => stack?.remove())

interface Names {
  query: string
  etl: string | null
  key: string
}

const longest = 'n'.repeat(longestName)
const name = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: longestName }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: longestName }),
  fc.constantFrom(longest, '\u{1f600}'.repeat(longestName / 2), 'x', ' x '),
)
const key = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }),
  fc.constantFrom('a\nb', '"', 'k'.repeat(5000), '\t', ' ', '\u0085', 'é'.repeat(300)),
)

/** False where the names were refused when they were saved. */
async function isServed({ query, etl, key: indexKey }: Names): Promise<boolean> {
  const sql = `SELECT 'v' AS ${quoteName(indexKey)}, 1 AS n`
  let target: Parameters<typeof stack.lookUp>[0]
  try {
    const { id: queryId } = await stack.save(sql, query)
    const path = await stack.writeEtl(`etl-${etls++}.sql`, `SELECT *, ${etls} AS number FROM input`)
    const source = etl === null ? null : await stack.etlService.resolve(path, { save: true, name: etl })
    target = { queryId, etlPath: source?.id ?? null, indexKey }
  } catch (error) {
    expect(error).toBeInstanceOf(AppError)
    expect(['BAD_USER_INPUT', 'INVALID_SQL']).toContain((error as AppError).code)
    return false
  }
  // The first is made by the lookup, unless the view's filling has come before it.
  for (const sources of [['WAREHOUSE', 'ONLINE'], ['ONLINE']]) {
    const [found] = await stack.lookUp(target, ['v'])
    expect(found).toMatchObject({ indexKey, status: 'FRESH' })
    expect(sources).toContain(found?.source)
  }
  const { featureViews } = stack.catalog
  const view = await featureViews.find({
    queryId: target.queryId,
    etlId: target.etlPath,
    indexKeys: [indexKey],
  })
  expect(view?.name.length).toBeLessThanOrEqual(longestName)
  expect(view?.name).not.toMatch(/\p{Cc}/u)
  return true
}

test('of any length and of any characters that are accepted when saved are served', async () => {
  let served = 0
  const names = fc.record({ query: name, etl: fc.option(name), key })
  await fc.assert(
    fc.asyncProperty(names, async (given) => {
      if (await isServed(given)) served++
    }),
    {
      numRuns: tries({ all: 40, part: 12 }),
      examples: [
        [{ query: longest, etl: null, key: 'k' }],
        [{ query: longest, etl: longest, key: 'k'.repeat(5000) }],
        [{ query: 'q', etl: null, key: 'a\nb' }],
        [{ query: longest, etl: null, key: `${'k'.repeat(5000)}1` }],
        [{ query: longest, etl: null, key: `${'k'.repeat(5000)}2` }],
      ],
    },
  )
  expect(served).toBeGreaterThan(tries({ all: 12, part: 3 }))
})
