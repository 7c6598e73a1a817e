// The scalars beyond GraphQL's own: DateTime, JSON and BigInt, exact in both directions.

import { GraphQLError, type ValueNode } from 'graphql'
import { formatMoment, type Moment, parseMoment } from '../values/moment.ts'
import type { Builder } from './builder.ts'

/** To the microsecond. */
function parseDateTime(value: unknown): Moment {
  const moment = typeof value === 'string' ? parseMoment(value) : null
  if (moment === null) {
    throw new GraphQLError(`DateTime must be RFC 3339 text such as 2026-01-31T12:00:00Z, not ${quote(value)}`)
  }
  return moment
}

function parseBigInt(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value)
  throw new GraphQLError(`BigInt must be an integer, or its digits as a string, not ${quote(value)}`)
}

function quote(value: unknown): string {
  return typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value))
}

/** A number where JavaScript's carry it exactly, else its digits, as rows have it in JSON already. */
function serializeBigInt(value: bigint | number | string): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

function parseBigIntLiteral(node: ValueNode): bigint {
  return parseBigInt(node.kind === 'IntValue' || node.kind === 'StringValue' ? node.value : undefined)
}

/** A literal of the query document as JSON data; integers too large to be exact as numbers become their digits. */
function parseJsonLiteral(node: ValueNode, variables: Record<string, unknown> | null | undefined): unknown {
  switch (node.kind) {
    case 'NullValue':
      return null
    case 'StringValue':
    case 'BooleanValue':
    case 'EnumValue':
      return node.value
    case 'IntValue':
      return Number.isSafeInteger(Number(node.value)) ? Number(node.value) : node.value
    case 'FloatValue':
      return Number(node.value)
    case 'ListValue':
      return node.values.map((item) => parseJsonLiteral(item, variables))
    case 'ObjectValue':
      return Object.fromEntries(
        node.fields.map((field) => [field.name.value, parseJsonLiteral(field.value, variables)]),
      )
    case 'Variable':
      return variables?.[node.name.value]
  }
}

export function addScalars(builder: Builder) {
  builder.scalarType('DateTime', {
    description: 'A moment, as RFC 3339 text in UTC.',
    serialize: formatMoment,
    parseValue: parseDateTime,
  })
  builder.scalarType('JSON', {
    description: 'Any JSON value.',
    serialize: (json) => json,
    parseValue: (value) => value,
    parseLiteral: parseJsonLiteral,
  })
  builder.scalarType('BigInt', {
    description: 'An integer of any size: a number up to ±2^53, beyond that a string of its digits.',
    serialize: serializeBigInt,
    parseValue: parseBigInt,
    parseLiteral: parseBigIntLiteral,
  })
}
