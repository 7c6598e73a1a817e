// GraphQL results as clients see them: every error carries a code, none tells what was not meant for the client.

import { PothosValidationError } from '@pothos/core'
import { type ExecutionResult, GraphQLError } from 'graphql'
import { type ErrorCode, messageOf } from '../../errors.ts'
import { describeFailure, type FailureFacts, findAppError, httpAnswerOf } from '../rest/failures.ts'

/** The same for plain results and for each result of a stream, whatever transport carries them. */
export function formatResult<Result extends ExecutionResult>(result: Result, facts: FailureFacts): Result {
  if (result.errors === undefined) return result
  return { ...result, errors: result.errors.map((error) => formatError(error, facts)) }
}

/** As formatResult, and an answer without data says by its HTTP status why. */
export function formatHttpResult<Result extends ExecutionResult>(
  result: Result,
  facts: FailureFacts,
): Result {
  const formatted = formatResult(result, facts)
  if (formatted.errors === undefined || 'data' in formatted) return formatted
  const errors = formatted.errors.map((error, i) => {
    const http = result.errors?.[i]?.extensions?.http ?? httpStatus(error)
    return copyError(error, error.message, { ...error.extensions, http })
  })
  return { ...formatted, errors }
}

/**
 * What is wrong with the document or an operation's start keeps status 200 for clients of the older application/json
 * (`spec`); what is wrong with the request as a whole does not.
 */
function httpStatus(error: GraphQLError) {
  const code = codeOf(error)
  const details = error.extensions.details as Record<string, unknown> | undefined
  const ofDocument = error.path !== undefined || error.locations !== undefined
  return { ...httpAnswerOf({ code, details }), ...(ofDocument && { spec: true }) }
}

function copyError(
  from: GraphQLError | null,
  message: string,
  extensions: Record<string, unknown>,
): GraphQLError {
  return new GraphQLError(message, {
    extensions,
    ...(from && {
      path: from.path,
      ...(from.nodes ? { nodes: from.nodes } : { source: from.source, positions: from.positions }),
    }),
  })
}

/** Of a formatted error. */
export function codeOf(error: GraphQLError): ErrorCode {
  return error.extensions.code as ErrorCode
}

/** `error` is whatever was thrown while parsing, validating or executing. */
export function formatError(error: unknown, facts: FailureFacts): GraphQLError {
  const located = error instanceof GraphQLError ? error : null
  if (isClientFault(error)) return copyError(located, clientMessage(error), { code: 'BAD_USER_INPUT' })
  const { message, ...extensions } = describeFailure(error, facts)
  return copyError(located, message, extensions)
}

function clientMessage(error: unknown): string {
  if (error instanceof GraphQLError && !(error.originalError instanceof SyntaxError)) return error.message
  return `The request's variables or extensions are not valid JSON: ${messageOf(error)}`
}

/**
 * GraphQL's own objections to a document or its variables. They have no path, or one and say which argument; an
 * executor's complaint about what a resolver returned has a path too, and is not the client's fault.
 */
function isClientFault(error: unknown): boolean {
  if (findAppError(error) !== null) return false
  if (!(error instanceof GraphQLError)) return error instanceof SyntaxError
  const { originalError } = error
  if (originalError instanceof PothosValidationError) return true
  if (originalError instanceof SyntaxError) return error.path === undefined
  if (originalError !== undefined && !(originalError instanceof GraphQLError)) return false
  return error.path === undefined || error.message.startsWith('Argument ')
}

/** A stream of results, formatted one by one; a source that breaks ends with one formatted error. */
export function formatResults<Result extends ExecutionResult>(
  results: AsyncIterable<Result>,
  facts: FailureFacts,
): AsyncIterableIterator<Result> {
  const source = results[Symbol.asyncIterator]()
  let ended = false
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      if (ended) return { done: true, value: undefined }
      try {
        const step = await source.next()
        return step.done ? step : { done: false, value: formatResult(step.value, facts) }
      } catch (error) {
        ended = true
        return { done: false, value: { errors: [formatError(error, facts)] } as unknown as Result }
      }
    },
    async return(value) {
      ended = true
      await source.return?.()
      return { done: true, value }
    },
    async throw(error) {
      ended = true
      await source.return?.()
      throw error
    },
  }
}
