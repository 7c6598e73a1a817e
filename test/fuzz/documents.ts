// Random documents that fit the schema, or nearly: fields and arguments by type, sometimes of a wrong one.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  getNamedType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql'

const root = join(import.meta.dirname, '../..')
const schema = buildSchema(readFileSync(join(root, 'schema.graphql'), 'utf8'))

const trickyTexts = [
  '',
  '__proto__',
  'constructor',
  'qry_0',
  'dst_0',
  'dst_../../secret',
  'etl_0',
  'file:/etc/passwd',
  'git::https://127.0.0.1/a.git//a.sql',
  'http://169.254.169.254/a.js',
  '\u0000',
  '\ud800',
  '\u202e\u212a',
  "' OR 1 = 1 --",
  'user_id',
  '9007199254740993',
  '1e400',
]
export const trickyText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...trickyTexts) },
  fc.string({ unit: 'binary', maxLength: 20 }),
)

/** A value as it is written in a document; of what it should be, mostly. */
function literal(type: GraphQLInputType, depth = 0): fc.Arbitrary<string> {
  if (isNonNullType(type)) return literal(type.ofType, depth)
  if (isListType(type))
    return fc.array(literal(type.ofType, depth + 1), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`)
  if (isEnumType(type)) return fc.constantFrom(...type.getValues().map(({ name }) => name), 'NONE')
  if (isInputObjectType(type)) {
    if (depth > 2) return fc.constant('{}')
    const fields = Object.values(type.getFields())
    return fc
      .tuple(...fields.map((field) => literal(field.type, depth + 1)))
      .map((values) => `{${values.map((value, i) => `${fields[i]?.name}: ${value}`).join(', ')}}`)
  }
  const { name } = getNamedType(type)
  const text = trickyText.map((value) => JSON.stringify(value))
  if (name === 'Int')
    return fc.oneof(fc.integer({ min: -5, max: 50 }).map(String), fc.constant('99999999999'))
  if (name === 'Boolean') return fc.constantFrom('true', 'false', 'null')
  if (name === 'Float') return fc.double({ noNaN: true, noDefaultInfinity: true }).map(String)
  if (name === 'JSON') return fc.oneof(text, fc.constantFrom('[{a: 1}]', '[[[]]]', '{a: {b: [null]}}'))
  return fc.oneof({ weight: 5, arbitrary: text }, fc.constantFrom('null', '1', '[]'))
}

function selection(type: GraphQLNamedType, depth: number): fc.Arbitrary<string> {
  if (isAbstractType(type)) {
    const options = schema.getPossibleTypes(type)
    return fc
      .constantFrom(...options)
      .chain((one) => selection(one, depth - 1).map((inner) => ` { __typename ... on ${one.name}${inner} }`))
  }
  if (!isObjectType(type)) return fc.constant('')
  const fields = Object.values(type.getFields()).filter(
    (field) => depth > 0 || !isObjectType(getNamedType(field.type)),
  )
  return fc
    .subarray(fields, { minLength: Math.min(1, fields.length), maxLength: Math.min(4, fields.length) })
    .chain((some) => fc.tuple(...some.map((field) => fieldText(field, depth))))
    .map((texts) => ` { __typename ${texts.join(' ')} }`)
}

function fieldText(field: GraphQLField<unknown, unknown>, depth: number): fc.Arbitrary<string> {
  const values = fc.tuple(
    ...field.args.map(({ name, type }) =>
      isNonNullType(type)
        ? literal(type).map((value) => `${name}: ${value}`)
        : fc.option(literal(type)).map((value) => (value === null ? '' : `${name}: ${value}`)),
    ),
  )
  return fc.tuple(values, selection(getNamedType(field.type), depth - 1)).map(([args, inner]) => {
    const given = args.filter((arg) => arg !== '').join(', ')
    return `${field.name}${given === '' ? '' : `(${given})`}${inner}`
  })
}

/** Queries and mutations; what would only fill the disk is left out. */
export const documentText: fc.Arbitrary<string> = fc.constantFrom('query', 'mutation').chain((kind) => {
  const type = kind === 'query' ? schema.getQueryType() : schema.getMutationType()
  const fields = Object.values(type?.getFields() ?? {}).filter(({ name }) => name !== 'publish')
  return fc
    .array(
      fc.constantFrom(...fields).chain((field) => fieldText(field, 3)),
      { minLength: 1, maxLength: 3 },
    )
    .map((texts) => `${kind} { ${texts.map((text, i) => `a${i}: ${text}`).join(' ')} }`)
})
