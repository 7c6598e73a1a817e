// Operations on typed features drawn from a seed and a schema: all that GraphQL allows around them, and some that it does not.

import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isListType,
  isObjectType,
} from 'graphql'
import { createDraw, type Draw, type GeneratedRequest } from './realtime-operations.ts'

/** By the scalar of an argument: as JSON, good ones and others. */
const values: Record<string, readonly unknown[]> = {
  BigInt: [0, 1, 2, 3, 7, '4', '+5', '9007199254740993', -1, '99999999999999999999'],
  Int: [0, 1, 2, 3, 70000],
  String: ['', 'a', 'é', '日本', '"', '\\', '__proto__', 'nobody'],
  Decimal: [0.5, '1.5', '1.50', 2],
  Boolean: [true, false],
}
const wrong: readonly unknown[] = ['x', null, 1.5, [1], {}, 9007199254740994, true]
const aliases = ['a', 'b', '_', 'data', 'rows', 'toString', 'constructor', 'e']
const conditions = ['yes', 'no']

interface Writing {
  draw: Draw
  fragments: string[]
  declared: Map<string, string>
  variables: Record<string, unknown>
}

/** Endless, and the same for the same seed. */
export function* generateTypedOperations(seed: number, schema: GraphQLSchema): Generator<GeneratedRequest> {
  const draw = createDraw(seed)
  const features = schema.getType('Features') as GraphQLObjectType
  while (true) {
    const writing: Writing = { draw, fragments: [], declared: new Map(), variables: {} }
    const isOfVectors = draw.chance(0.15)
    const count = isOfVectors ? 0 : draw.chance(0.15) ? 2 : 1
    const roots = Array.from({ length: count }, (_, i) => {
      const alias = i > 0 || draw.chance(0.1) ? `root${i}: ` : ''
      return `${alias}features${directive(writing)} ${selection(features, writing, 0)}`
    })
    if (draw.chance(0.05)) roots.push('__typename')
    if (isOfVectors || draw.chance(0.1)) roots.push(onlineField(schema, writing))
    if (draw.chance(0.04))
      roots.push('queryRealtime(queryId: "none", indexKey: "n", indexValue: "1") { rows }')
    const declared = [...writing.declared].map(([name, type]) => `$${name}: ${type}`)
    const head = declared.length > 0 ? `query Typed(${declared.join(', ')})` : draw.chance(0.5) ? 'query' : ''
    const text = [`${head} { ${roots.join(' ')} }`, ...writing.fragments].join('\n')
    if (draw.chance(0.05)) delete writing.variables[Object.keys(writing.variables)[0] ?? '']
    yield {
      query: draw.chance(0.04) ? text.replace('features', 'feature') : text,
      ...(declared.length > 0 && { variables: writing.variables }),
    }
  }
}

/** What the entities of `onlineFeatures` bring; numbers beyond what is exact too. */
const entityValues: Record<string, readonly unknown[]> = {
  driver_id: [0, 1, 2, '3', '+4', 7, 1e30, 'x', null],
  city: ['', 'a', 'é', '日本', '__proto__', 'nobody'],
  n: [0, 1, 2, 3, '2', 70000, true],
  amount: ['1.50', 2, 12.5, null],
  note: ['é😀"', 'a', null, '日本'],
}
const services: Record<string, readonly string[]> = {
  one_view: ['driver_id'],
  joined: ['city', 'n'],
  scored: ['driver_id', 'amount', 'note'],
}

function onlineField(schema: GraphQLSchema, writing: Writing): string {
  const { draw, declared, variables } = writing
  const service = draw.chance(0.05) ? draw.from(['nobody', '']) : draw.from(Object.keys(services))
  const entities = Array.from({ length: draw.below(4) }, () => entityOf(services[service] ?? [], draw))
  const asked: [string, string, unknown][] = [['entities', '[JSON!]!', entities]]
  if (draw.chance(0.8)) asked.push(['service', 'String', service])
  else
    asked.push([
      'features',
      '[FeatureRefInput!]',
      [{ view: draw.from(['trips', 'driver_stats']), ...(draw.chance(0.5) && { prefix: 'p_' }) }],
    ])
  if (draw.chance(0.2)) asked.push(['fullNames', 'Boolean', draw.chance(0.5)])
  if (draw.chance(0.05)) asked.push(['asOf', 'DateTime', draw.chance(0.5) ? null : '2026-01-01T00:00:00Z'])
  const args = asked.map(([name, type, value]) => {
    if (draw.chance(0.4)) return `${name}: ${literal(value)}`
    const own = `o${declared.size}`
    declared.set(own, type)
    variables[own] = value
    return `${name}: $${own}`
  })
  const alias = draw.chance(0.3) ? `${draw.from(aliases)}: ` : ''
  const type = schema.getType('FeatureVector') as GraphQLObjectType
  return `${alias}onlineFeatures(${args.join(', ')})${directive(writing)} ${selection(type, writing, 1)}`
}

function entityOf(columns: readonly string[], draw: Draw): unknown {
  if (draw.chance(0.03)) return draw.from(wrong)
  const given = columns.filter(() => !draw.chance(0.03))
  if (draw.chance(0.02)) given.push('odd')
  return Object.fromEntries(given.map((name) => [name, draw.from(entityValues[name] ?? ['1'])]))
}

/** As a document writes it. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{ ${Object.entries(value)
    .map(([name, own]) => `${name}: ${literal(own)}`)
    .join(', ')} }`
}

function directive(writing: Writing): string {
  const { draw } = writing
  if (!draw.chance(0.12)) return ''
  const kind = draw.from(['include', 'skip'])
  if (draw.chance(0.3)) return ` @${kind}(if: ${draw.chance(0.5)})`
  const name = draw.from(conditions)
  writing.declared.set(name, 'Boolean!')
  writing.variables[name] ??= draw.chance(0.5)
  return ` @${kind}(if: $${name})`
}

function selection(type: GraphQLObjectType, writing: Writing, depth: number): string {
  const { draw } = writing
  const all = Object.values(type.getFields())
  const count = 1 + draw.below(4)
  const parts = Array.from({ length: count }, () => {
    if (draw.chance(0.06)) return '__typename'
    if (draw.chance(0.1) && depth < 4) {
      const inner = selection(type, writing, depth + 1)
      const on = draw.chance(0.7) ? ` on ${type.name}` : ''
      return `...${on}${directive(writing)} ${inner}`
    }
    if (draw.chance(0.07) && depth < 4) {
      const name = `F${writing.fragments.length}_${depth}`
      writing.fragments.push('')
      const at = writing.fragments.length - 1
      writing.fragments[at] = `fragment ${name} on ${type.name} ${selection(type, writing, depth + 1)}`
      return `...${name}${directive(writing)}`
    }
    return fieldText(draw.from(all), writing, depth)
  })
  return `{ ${parts.join(' ')} }`
}

function fieldText(field: GraphQLField<unknown, unknown>, writing: Writing, depth: number): string {
  const { draw } = writing
  const named = getNamedType(field.type)
  const isLookup = field.args.length > 0
  const alias =
    isLookup || draw.chance(0.2) ? `${isLookup ? `l${draw.below(10_000)}` : draw.from(aliases)}: ` : ''
  const args = field.args.map((arg) => `${arg.name}: ${argument(arg.type, writing)}`)
  const beneath = isObjectType(named) ? ` ${selection(named, writing, depth + 1)}` : ''
  return `${alias}${field.name}${args.length > 0 ? `(${args.join(', ')})` : ''}${directive(writing)}${beneath}`
}

type Type = GraphQLField<unknown, unknown>['args'][number]['type']

/** A literal, or a variable of that type, or a list with variables in it. */
function argument(type: Type, writing: Writing): string {
  const { draw } = writing
  if (draw.chance(0.45)) return variable(type, writing)
  const own = getNullableType(type)
  if (isListType(own)) {
    const items = Array.from({ length: draw.below(4) }, () => argument(own.ofType as Type, writing))
    return items.length === 1 && draw.chance(0.5) ? (items[0] ?? '[]') : `[${items.join(', ')}]`
  }
  if (isInputObjectType(own)) {
    const fields = Object.values(own.getFields()).map(
      (field) => `${field.name}: ${argument(field.type, writing)}`,
    )
    return `{ ${(draw.chance(0.1) ? fields.toReversed() : fields).join(', ')} }`
  }
  const value = jsonOf(type, writing)
  return value !== null && typeof value === 'object' ? '[]' : JSON.stringify(value)
}

function variable(type: Type, writing: Writing): string {
  const name = `v${writing.declared.size}`
  writing.declared.set(name, String(type))
  const value = jsonOf(type, writing)
  writing.variables[name] = value
  return `$${name}`
}

function jsonOf(type: Type, { draw }: Writing): unknown {
  const own = getNullableType(type)
  if (draw.chance(0.015)) return draw.from(wrong)
  if (isListType(own)) {
    const items = Array.from({ length: draw.below(5) }, () => jsonOf(own.ofType as Type, { draw } as Writing))
    return items.length === 1 && draw.chance(0.3) ? items[0] : items
  }
  if (isInputObjectType(own))
    return Object.fromEntries(
      Object.values(own.getFields()).map((field) => [field.name, jsonOf(field.type, { draw } as Writing)]),
    )
  return draw.from(values[getNamedType(type).name] ?? ['1'])
}
