// GraphQL names: chosen once, legal, apart from each other, and of whatever people call things.

import { composeServices } from '@theguild/federation-composition'
import fc from 'fast-check'
import { buildASTSchema, GraphQLSchema, parse, validateSchema } from 'graphql'
import { describe, expect, test } from 'vitest'
import { chooseName, memberNames, namesTakenBy, typeNameOf } from '../../../src/features/names.ts'
import type { View } from '../../../src/features/views.ts'
import { createSchema } from '../../../src/schema/index.ts'
import type { Services } from '../../../src/schema/services.ts'
import { createEntryFinder } from '../../../src/schema/typed/entries.ts'
import { createLiveSchemas } from '../../../src/schema/typed/live-schema.ts'
import { createSchemaPrinter } from '../../../src/schema/typed/schema-text.ts'
import type { Column } from '../../../src/values/columns.ts'
import { createKeyType } from '../../../src/values/entity-key.ts'

const free = () => false

describe('the name of an entry', () => {
  test.each([
    ['driver_stats', 'driverStats'],
    ['driverStats', 'driverStats'],
    ['DriverStats', 'DriverStats'],
    ['f_12_5hz', 'f_12_5hz'],
    ['f_125_hz', 'f_125Hz'],
    ['driver-stats v2', 'driver_stats_v2'],
    ['7_days', '_7_days'],
    ['a__b', 'a__b'],
    ['_private', '_private'],
    ['Ärger & Freude', '_rger_Freude'],
  ])('%s is %s', (name, expected) => {
    expect(chooseName(name, free)).toBe(expected)
  })

  test.each(['__typename', '日本', '', '   ', '___'])('%j can have none', (name) => {
    expect(chooseName(name, free)).toBeNull()
  })

  test('that is taken, or whose types are, is the next one', () => {
    const taken = new Set(namesTakenBy('driverStats'))
    expect(chooseName('driver_stats', (name) => taken.has(name))).toBe('driver_stats')
    expect(chooseName('driverStats', (name) => taken.has(name))).toBeNull()
    expect(chooseName('driver_stats_many', (name) => taken.has(name))).toBe('driver_stats_many')
    expect(chooseName('saved_query', (name) => name === 'SavedQuery')).toBe('saved_query')
  })
})

test('the columns of a row have names of their own, whatever their order', () => {
  expect(Object.fromEntries(memberNames(['driver_id', 'driverId', 'a b', 'a-b', '日本']))).toEqual({
    driver_id: 'driver_id',
    driverId: 'driverId',
    'a b': 'a_b',
    'a-b': null,
    日本: null,
  })
})

const word = fc.oneof(
  fc.constantFrom(
    'driver_stats',
    'driverStats',
    'driverStatsMany',
    'driver_stats_key',
    'features',
    'query',
    'Query',
  ),
  fc.constantFrom(
    'json',
    'saved_query',
    'feature_updates',
    'a b',
    'a-b',
    'a_b',
    '__a',
    '日本',
    'constructor',
    '__proto__',
  ),
  fc.string({ maxLength: 12, unit: 'binary' }),
  fc.stringMatching(/^[a-zA-Z_0-9]{1,12}$/),
)
const storages = {
  BOOLEAN: 'BOOLEAN',
  INT32: 'SMALLINT',
  INT64: 'BIGINT',
  FLOAT64: 'FLOAT',
  DECIMAL: 'DECIMAL(18,3)',
  STRING: 'VARCHAR',
  BYTES: 'BLOB',
  DATE: 'DATE',
  TIMESTAMP: 'TIMESTAMP WITH TIME ZONE',
  JSON: 'JSON',
} as const
const leaf = fc.constantFrom(...Object.entries(storages))
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`
const structStorage = fc
  .uniqueArray(fc.tuple(word, leaf), { selector: ([name]) => name.toLowerCase(), minLength: 1, maxLength: 3 })
  .map((fields) => `STRUCT(${fields.map(([name, [, storage]]) => `${quoted(name)} ${storage}`).join(', ')})`)
const typed = fc.oneof(
  leaf,
  structStorage.map((storage) => ['STRUCT', storage] as const),
  structStorage.map((storage) => ['LIST', `${storage}[]`] as const),
  leaf.map(([, storage]) => ['LIST', `${storage}[][3]`] as const),
)
const columns = fc
  .uniqueArray(fc.tuple(word, typed), { selector: ([name]) => name, minLength: 1, maxLength: 6 })
  .map((all) =>
    all.map(
      ([name, [type, storage]]): Column => ({ name, type: type as Column['type'], storage, nullable: true }),
    ),
  )
const views = fc.uniqueArray(
  fc.record({ name: word, columns, isInTime: fc.boolean(), description: fc.option(fc.string()) }),
  { selector: ({ name }) => name, maxLength: 8 },
)

const nobody = () => {
  throw new Error('nobody asks')
}

test('schemas of generated catalogs are valid, print to what parses, and leave nothing out in silence', async () => {
  const base = createSchema({} as Services)
  const types = new Set([...Object.keys(base.getTypeMap()), 'Features'])
  const { print, printSubgraph } = createSchemaPrinter()
  let [made, leftOut] = [0, 0]
  await fc.assert(
    fc.asyncProperty(views, async (catalog) => {
      const taken = new Set(types)
      const described = catalog.map(({ name, columns: own, isInTime, description }, i) => {
        const chosen = chooseName(name, (each) => taken.has(each))
        for (const each of chosen === null ? [] : namesTakenBy(chosen)) taken.add(each)
        const key: Column = { name: 'id', type: 'INT64', storage: 'BIGINT', nullable: false }
        const all = [key, ...own.filter((column) => column.name !== 'id')]
        const record = {
          name,
          graphqlName: chosen,
          timestampColumn: isInTime ? (own[0]?.name ?? null) : null,
          createdColumn: null,
          description,
          owner: 'the "owner"',
          tags: ['a', 'b'],
          featureNotes: [{ feature: own[0]?.name, description: 'a """ in it', deprecated: 'use another' }],
        }
        const view = { id: `fv_${i}`, record, query: {}, etl: null, key: createKeyType([key]) }
        return { view: view as unknown as View, columns: all }
      })
      const { entries, problems } = await createEntryFinder()({ views: described, services: [] }, types)
      const schemas = createLiveSchemas(base, {
        sources: { follow: nobody, followService: nobody, answersAt: nobody, vectors: { get: nobody } },
        federation: { maxRepresentations: 1, subgraphText: nobody },
      })
      const schema = await schemas.make({ entries, services: [] })
      const judged = new GraphQLSchema({ ...schema.toConfig(), assumeValid: false })
      expect(validateSchema(judged)).toEqual([])
      expect(validateSchema(buildASTSchema(parse(await print(schema))))).toEqual([])
      const typeDefs = parse(await printSubgraph(schemas.makeSubgraph({ entries, services: [] })))
      expect(
        entries.length === 0 ? [] : (composeServices([{ name: 'features', typeDefs }]).errors ?? []),
      ).toEqual([])
      const names = new Set(entries.map((entry) => typeNameOf(entry.name)))
      expect(names.size).toBe(entries.length)
      const whole = problems.filter(({ feature }) => feature === null)
      expect(entries.length + whole.length).toBe(catalog.length)
      made += entries.length
      leftOut += problems.length
    }),
    { numRuns: 60, seed: 20_261_130 },
  )
  expect(made).toBeGreaterThan(100)
  expect(leftOut).toBeGreaterThan(20)
}, 120_000)
