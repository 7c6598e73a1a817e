// The scalars of features beyond the schema's own: Decimal, Date, Timestamp and Bytes, each as rows have it in JSON.

import { GraphQLError, GraphQLScalarType, type ValueNode } from 'graphql'
import { plainDecimal } from '../../values/key-forms.ts'
import { keyValueOfCell } from '../../values/key-values.ts'

/** What an argument spells, as text; the written digits of a number where it stands in the document. */
function literalOf(node: ValueNode): unknown {
  return node.kind === 'StringValue' || node.kind === 'IntValue' || node.kind === 'FloatValue'
    ? node.value
    : undefined
}

function isOfType(type: 'DATE' | 'TIMESTAMP', text: string): boolean {
  return keyValueOfCell({ name: type, type, storage: type, nullable: false }, text) !== undefined
}

function createTextScalar(
  name: string,
  description: string,
  { isValue, expected }: { isValue: (text: string) => boolean; expected: string },
): GraphQLScalarType<string, unknown> {
  function parse(value: unknown): string {
    const text = typeof value === 'number' ? String(value) : value
    if (typeof text === 'string' && isValue(text)) return text
    throw new GraphQLError(`${name} must be ${expected}, not ${JSON.stringify(value) ?? String(value)}`)
  }
  return new GraphQLScalarType<string, unknown>({
    name,
    description,
    // Rows hold it as JSON has it already.
    coerceOutputValue: (value) => value,
    coerceInputValue: parse,
    coerceInputLiteral: (node) => parse(literalOf(node)),
  })
}

export const decimalScalar = createTextScalar(
  'Decimal',
  'An exact decimal number: a number up to 15 digits, beyond that a string of its digits.',
  {
    isValue: (text) => plainDecimal(text) !== undefined,
    expected: 'a decimal number such as 12.5, or its digits as a string',
  },
)

export const dateScalar = createTextScalar('Date', 'A day, as YYYY-MM-DD.', {
  isValue: (text) => isOfType('DATE', text),
  expected: 'a day such as "2026-01-31"',
})

export const timestampScalar = createTextScalar(
  'Timestamp',
  'A moment, as RFC 3339 text in UTC with its microseconds.',
  {
    isValue: (text) => isOfType('TIMESTAMP', text),
    expected: 'RFC 3339 text of at most microseconds such as "2026-01-31T12:00:00.000001Z"',
  },
)

export const bytesScalar = new GraphQLScalarType<string, unknown>({
  name: 'Bytes',
  description: 'Bytes, as base64.',
  coerceOutputValue: (value) => value,
})

export const featureScalars = [decimalScalar, dateScalar, timestampScalar, bytesScalar]
