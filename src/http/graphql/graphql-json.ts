// GraphQL results as text; JSON that is text already is put in as it is.

import { type ExecutionResult, GraphQLError } from 'graphql'
import { answerTooLarge, maxAnswerLength } from '../../schema/answer-budget.ts'
import { JsonText } from '../../schema/json-text.ts'

/** As `encode` does it; an answer that is too long, whatever it is made of, is TOO_LARGE instead. */
export function encodeResult(result: ExecutionResult): string {
  const text = encodeParts(result)
  if (text.length <= maxAnswerLength) return text
  const { code, message } = answerTooLarge()
  return encodeParts({ errors: [new GraphQLError(message, { extensions: { code } })], data: null })
}

/** As JSON.stringify, but for JsonText: what it holds keeps the order of its fields, and is not read. */
function encodeParts({ errors, data, extensions }: ExecutionResult): string {
  const parts: string[] = []
  if (errors !== undefined) parts.push(`"errors":${JSON.stringify(errors)}`)
  if (data !== undefined) parts.push(`"data":${encode(data) ?? 'null'}`)
  if (extensions !== undefined) parts.push(`"extensions":${JSON.stringify(extensions)}`)
  return `{${parts.join(',')}}`
}

/** Undefined for what JSON leaves out. */
function encode(value: unknown): string | undefined {
  if (value instanceof JsonText) return value.text
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item) => encode(item) ?? 'null').join()}]`
  const fields = Object.entries(value).flatMap(([name, field]) => {
    const text = encode(field)
    return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`]
  })
  return `{${fields.join()}}`
}
