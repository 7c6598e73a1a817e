// References to features: what they choose of their views, what it is named, and what is refused.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { type FeatureReference, featuresOf, resolveReferences } from '../../src/features/references.ts'
import type { View } from '../../src/features/views.ts'
import type { Column } from '../../src/values/columns.ts'
import { createKeyType } from '../../src/values/entity-key.ts'
import { tries } from '../thorough.ts'

const column = (name: string): Column => ({
  name,
  type: 'STRING',
  nullable: true,
  storage: 'VARCHAR',
  native: 'VARCHAR',
})

/** As much of a view as references look at. */
function viewOf(
  name: string,
  keys: readonly string[],
  columns: readonly string[],
  times: { timestampColumn?: string; createdColumn?: string } = {},
): View {
  const record = { name, timestampColumn: null, createdColumn: null, ...times }
  return {
    id: `fv_${name}`,
    record: record as View['record'],
    query: { columns: columns.map(column) } as View['query'],
    etl: null,
    key: createKeyType(keys.map(column)),
  }
}

const drivers = viewOf('driver_stats', ['driver_id'], ['driver_id', 'ts', 'seen', 'rate', 'trips'], {
  timestampColumn: 'ts',
  createdColumn: 'seen',
})
const airports = viewOf('airports', ['airport'], ['airport', 'delay', 'rate'])
const routes = viewOf('routes', ['origin', 'dest'], ['origin', 'dest', 'distance'])

function resolve(
  references: readonly (Pick<FeatureReference, 'view'> & Partial<FeatureReference>)[],
  options: { fullNames?: boolean; taken?: ReadonlyMap<string, string>; views?: readonly View[] } = {},
) {
  const { views = [drivers, airports, routes], ...rest } = options
  return resolveReferences(
    references.map((reference) => ({ features: null, prefix: null, keys: [], ...reference })),
    {
      async viewByName(name) {
        const view = views.find(({ record }) => record.name === name)
        if (view === undefined) throw new AppError('NOT_FOUND', `There is no feature view ${name}`)
        return view
      },
      columnsOf: async ({ query }) => query.columns,
      ...rest,
    },
  )
}

async function namesOf(...args: Parameters<typeof resolve>) {
  return (await resolve(...args)).flatMap(({ features }) => features.map(({ name }) => name))
}

test('features left out are all that a view has: neither its key nor its times', async () => {
  expect(await namesOf([{ view: 'driver_stats' }])).toEqual(['rate', 'trips'])
  expect(featuresOf(routes, routes.query.columns).map(({ name }) => name)).toEqual(['distance'])
})

test('named features come in the order they are named in', async () => {
  expect(await namesOf([{ view: 'driver_stats', features: ['trips', 'rate'] }])).toEqual(['trips', 'rate'])
})

test('a prefix stands before each name as it is, a full name holds the view', async () => {
  const twice = [
    { view: 'airports', prefix: 'from_', keys: [{ key: 'airport', column: 'origin' }] },
    { view: 'airports', prefix: 'to_', keys: [{ key: 'airport', column: 'dest' }] },
  ]
  expect(await namesOf(twice)).toEqual(['from_delay', 'from_rate', 'to_delay', 'to_rate'])
  expect(await namesOf([{ view: 'airports' }, { view: 'driver_stats' }], { fullNames: true })).toEqual([
    'airports__delay',
    'airports__rate',
    'driver_stats__rate',
    'driver_stats__trips',
  ])
  expect(await namesOf(twice, { fullNames: true })).toContain('to_airports__rate')
})

test('a key is found under its own name unless it is mapped', async () => {
  const [reference] = await resolve([{ view: 'routes', keys: [{ key: 'dest', column: 'to' }] }])
  expect(reference?.keys.map(({ key, column: found }) => [key.name, found])).toEqual([
    ['origin', 'origin'],
    ['dest', 'to'],
  ])
})

test.each([
  ['no reference at all', [], /No features are named/],
  ['a view that is not there', [{ view: 'riders' }], /no feature view riders/],
  [
    'a feature that a view does not have',
    [{ view: 'airports', features: ['rates'] }],
    /no feature "rates"; did you mean rate\? Its features are delay, rate/,
  ],
  [
    'a key asked for as a feature',
    [{ view: 'airports', features: ['airport'] }],
    /finds its entities by airport, which is no feature/,
  ],
  ['a time asked for as a feature', [{ view: 'driver_stats', features: ['ts'] }], /no feature "ts"/],
  [
    'no feature of a view',
    [{ view: 'airports', features: [] }],
    /No features of the feature view airports are named/,
  ],
  [
    'a feature twice in one reference',
    [{ view: 'airports', features: ['rate', 'rate'] }],
    /"rate" of the feature view airports is named twice/,
  ],
  [
    'a mapped key that is none',
    [{ view: 'airports', keys: [{ key: 'rate', column: 'a' }] }],
    /"rate" of the feature view airports is none of its index key; its index key is airport/,
  ],
  [
    'a key mapped twice',
    [
      {
        view: 'airports',
        keys: [
          { key: 'airport', column: 'a' },
          { key: 'airport', column: 'b' },
        ],
      },
    ],
    /"airport" of the feature view airports is mapped twice/,
  ],
  [
    'features of two views with one name',
    [{ view: 'airports' }, { view: 'driver_stats' }],
    /"rate": the feature rate of the feature view airports, and the feature rate of the feature view driver_stats/,
  ],
  [
    "a feature named as another view's key",
    [{ view: 'routes', keys: [{ key: 'dest', column: 'delay' }] }, { view: 'airports' }],
    /"delay": the index key of the feature view routes, and the feature delay of the feature view airports/,
  ],
] as const)('%s is refused', async (_what, references, message) => {
  await expect(resolve(references)).rejects.toThrow(message)
})

test('a name that the caller holds already is refused, in whatever case', async () => {
  const taken = new Map([['RATE', 'a column of the spine']])
  await expect(resolve([{ view: 'airports' }], { taken })).rejects.toThrow(
    /a column of the spine, and the feature rate/,
  )
  expect(await namesOf([{ view: 'airports', prefix: 'a_' }], { taken })).toEqual(['a_delay', 'a_rate'])
})

test('whatever is asked, every feature has a name of its own, or two of one name are told', async () => {
  const word = fc.constantFrom('a', 'A', 'b', 'a__b', 'c')
  const views = fc.uniqueArray(
    fc.record({ name: fc.constantFrom('v', 'w', 'x'), columns: fc.uniqueArray(word, { minLength: 1 }) }),
    { minLength: 1, selector: ({ name }) => name },
  )
  const reference = fc.record({ at: fc.nat(2), prefix: fc.constantFrom(null, 'a', 'b', 'a__') })
  const asked = fc.record({
    views,
    references: fc.array(reference, { minLength: 1, maxLength: 4 }),
    fullNames: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(asked, async (each) => {
      const made = each.views.map(({ name, columns }) => viewOf(name, ['k'], ['k', ...columns]))
      const references = each.references.map(({ at, prefix }) => ({
        view: made[at % made.length]?.record.name ?? '',
        prefix,
      }))
      const expected = references.flatMap(({ view, prefix }) =>
        (made.find(({ record }) => record.name === view)?.query.columns ?? [])
          .slice(1)
          .map(({ name }) => `${prefix ?? ''}${each.fullNames ? `${view}__` : ''}${name}`),
      )
      const isClear =
        new Set([...expected, 'k'].map((name) => name.toLowerCase())).size === expected.length + 1
      const asking = namesOf(references, { views: made, fullNames: each.fullNames })
      if (isClear) expect(await asking).toEqual(expected)
      else await expect(asking).rejects.toThrow(/Two columns would be named/)
    }),
    { numRuns: tries({ all: 20_000, part: 500 }) },
  )
})

test('more references, or names, than an answer may have are refused before a view is looked up', async () => {
  const many = Array.from({ length: 501 }, (_, i) => ({ view: 'nowhere', prefix: `p${i}_` }))
  const names = Array.from({ length: 10_001 }, (_, i) => `f${i}`)
  for (const asked of [many, [{ view: 'nowhere', features: names }]])
    await expect(resolve(asked)).rejects.toMatchObject({ code: 'TOO_LARGE' })
})
