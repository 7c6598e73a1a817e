// The hot path: realtime operations that the full pipeline has found valid once are answered without it, byte for byte alike.

import { GraphQLError, type GraphQLSchema, Source } from 'graphql'
import type { Logger } from 'pino'
import type { ErrorCode } from '../../errors.ts'
import { createAnswerBudget } from '../../schema/answer-budget.ts'
import { callerOf } from '../../schema/authorization.ts'
import type { RequestFacts } from '../../schema/context.ts'
import type { SchemaHolder } from '../../schema/held.ts'
import type { Services } from '../../schema/services.ts'
import type { Operation, Operations } from '../../telemetry/operations.ts'
import { type ByteText, toByteText } from '../../values/byte-text.ts'
import { codeOf, formatError } from '../graphql/graphql-errors.ts'
import { persistedIdOf, type TrustedDocuments } from '../graphql/trusted-documents.ts'
import { FailedFields } from './failed-fields.ts'
import { createCompiledOperations } from './operations.ts'
import type { VariableValues } from './variables.ts'

/** Filled in by whoever answers. */
export interface HotPathFacts extends Pick<RequestFacts, 'requestId' | 'charge' | 'identity'> {
  operation?: Operation
  failed?: ErrorCode
}

export interface HotPath {
  /** Notes a document that is parsed, and valid against this schema, so that its next request may be answered here. */
  accept(document: string, schema: GraphQLSchema): void
  /** The response's text for a request's body, as JSON.parse gives it; null when the reference path has to answer. */
  answer(body: unknown, facts: HotPathFacts): Promise<ByteText> | null
}

export function createHotPath({
  holder,
  services,
  trusted,
  operations,
  log,
}: {
  holder: Pick<SchemaHolder, 'current'>
  services: Pick<Services, 'realtime' | 'vectors'>
  trusted: Pick<TrustedDocuments, 'find'>
  operations: Operations
  log: Logger
}): HotPath {
  const compiled = createCompiledOperations(holder, { operations, vectors: services.vectors })

  return {
    accept: compiled.accept,
    answer(body, facts) {
      const request = readRequest(body, trusted)
      if (request === null) return null
      const operation = compiled.find(request.query, request.operationName)
      if (operation === null) return null
      const answer = operation.run(request.variables, {
        realtimeLoader: services.realtime.createLoader(callerOf(facts.identity)),
        charge: facts.charge,
        answer: createAnswerBudget(),
      })
      facts.operation = operation.operation
      return answer?.catch((error: unknown) => describe(error, request.query, facts)) ?? null
    },
  }

  function describe(error: unknown, document: string, facts: HotPathFacts): ByteText {
    if (!(error instanceof FailedFields)) throw error
    const errors = error.fields.map(({ cause, path, positions }) => {
      const originalError = cause instanceof Error ? cause : new Error(String(cause))
      const source = new Source(document)
      const located = new GraphQLError(originalError.message, { source, positions, path, originalError })
      return formatError(located, { requestId: facts.requestId, log })
    })
    const [first] = errors
    if (first !== undefined) facts.failed = codeOf(first)
    return `{"errors":${toByteText(JSON.stringify(errors))},"data":${error.data}}` as ByteText
  }
}

interface GraphQLRequest {
  query: string
  operationName: string | null
  variables: VariableValues
}

const noVariables: VariableValues = {}

/** Null for a body with anything that the pipeline would object to, or that means more than a plain request. */
function readRequest(body: unknown, trusted: Pick<TrustedDocuments, 'find'>): GraphQLRequest | null {
  if (!isObject(body)) return null
  let query: unknown
  let documentId: unknown
  let extensions: unknown
  let operationName: unknown
  let variables: unknown
  for (const name in body) {
    if (name === 'query') query = body.query
    else if (name === 'documentId') documentId = body.documentId
    else if (name === 'variables') variables = body.variables
    else if (name === 'operationName') operationName = body.operationName
    else if (name === 'extensions') extensions = body.extensions
    else return null
  }
  if (extensions !== undefined && extensions !== null && !isObject(extensions)) return null
  if (query === undefined && documentId === undefined) documentId = persistedIdOf(extensions) ?? undefined
  if (typeof documentId === 'string' && query === undefined) query = trusted.find(documentId)
  else if (documentId !== undefined) return null
  if (typeof query !== 'string') return null
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string') return null
  if (variables !== undefined && variables !== null && !isObject(variables)) return null
  return { query, operationName: operationName ?? null, variables: variables ?? noVariables }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
