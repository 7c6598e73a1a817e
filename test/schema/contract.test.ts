// The committed schema against what outside clients rely on, and against the code that it is printed from.

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLNamedType,
  isEnumType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
} from 'graphql'
import { expect, test } from 'vitest'

const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8')
const contract = buildSchema(await read('./contract.graphql'))
const schema = buildSchema(await read('../../schema.graphql'))

const ownTypes = Object.values(contract.getTypeMap()).filter((type) => !type.name.startsWith('__'))

test.each(ownTypes.map((type) => [type.name, type] as const))(
  '%s is as clients know it',
  (name, expected) => {
    const actual = schema.getType(name)
    expect(actual, `${name} is missing`).toBeDefined()
    if (actual === undefined) return
    expect(actual.constructor.name).toBe(expected.constructor.name)
    expect(describeType(actual, expected)).toEqual(describeType(expected, expected))
  },
)

test('the committed schema is what the code prints', async () => {
  await promisify(execFile)(process.execPath, ['scripts/print-schema.ts', '--check'])
})

/** A type as text, field by field, without what the expected one does not name. */
function describeType(type: GraphQLNamedType, expected: GraphQLNamedType) {
  if (isEnumType(type))
    return type
      .getValues()
      .map((value) => value.name)
      .sort()
  if (!(isObjectType(type) || isInterfaceType(type))) return type.name
  if (!(isObjectType(expected) || isInterfaceType(expected))) return type.name
  const fields = Object.values(type.getFields())
    .filter((field) => field.name in expected.getFields())
    .map((field) => {
      const named = expected.getFields()[field.name]?.args ?? []
      const args = field.args
        .filter((arg) => isRequiredArgument(arg) || named.some((other) => other.name === arg.name))
        .map(describeArgument)
        .sort()
      return `${field.name}(${args.join(', ')}): ${field.type}`
    })
  return { interfaces: type.getInterfaces().map(String), fields: fields.sort() }
}

function describeArgument(argument: GraphQLArgument | GraphQLInputField): string {
  const { literal } = argument.default ?? {}
  const fallback = literal && 'value' in literal ? ` = ${literal.value}` : ''
  return `${argument.name}: ${argument.type}${fallback}`
}
