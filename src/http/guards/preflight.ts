// What another site's page may not have a visitor's browser send: only what a browser asks the gateway about first can do anything.

import {
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  type GraphQLField,
  Kind,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { AppError } from '../../errors.ts'
import type { AuthScopes } from '../../schema/authorization.ts'
import { findOperation } from '../hot-path/compile.ts'

/** Any value shows that the page which sent it was allowed to. */
const preflightHeader = 'graphql-require-preflight'

/** Headers that a browser sends across origins only after it was told that it may. */
const preflighted = [preflightHeader, 'authorization', 'x-api-key']

/** What it sends without asking first. */
const simpleContentTypes = new Set(['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'])

export function essence(contentType: string | null): string | null {
  return contentType?.split(';')[0]?.trim().toLowerCase() ?? null
}

/** Refuses a form: a page can have one sent unasked, but with no header of its own. */
export function assertPreflighted({ method, headers }: { method: string; headers: Record<string, unknown> }) {
  if (method !== 'POST' || headers[preflightHeader] !== undefined) return
  const type = essence((headers['content-type'] as string | undefined) ?? null)
  if (type !== null && simpleContentTypes.has(type)) {
    throw new AppError(
      'FORBIDDEN',
      `A POST of ${type} must carry the header ${preflightHeader}; or send it as application/json`,
    )
  }
}

/** By a GET that any page can have sent, the catalog may be read: a lookup makes a feature view, loads an ETL, asks the warehouse. */
export function limitGets(): Plugin<{ request?: Request }> {
  const judge = ({ args, setResultAndStopExecution }: Executing) => {
    const request = (args.contextValue as { request?: Request } | undefined)?.request
    if (request?.method !== 'GET' || isPreflighted(request.headers)) return
    const field = fieldsOf(args).find((each) => !readsCatalogAlone(each))
    if (field === undefined) return
    const originalError = new AppError(
      'FORBIDDEN',
      `${field.name} by GET must carry the header ${preflightHeader}; or send it by POST as application/json`,
    )
    setResultAndStopExecution({ errors: [new GraphQLError(originalError.message, { originalError })] })
  }
  return { onExecute: judge, onSubscribe: judge }
}

interface Executing {
  args: Pick<ExecutionArgs, 'document' | 'schema' | 'operationName' | 'contextValue'>
  setResultAndStopExecution(result: { errors: GraphQLError[] }): void
}

function isPreflighted(headers: Headers): boolean {
  const type = essence(headers.get('content-type'))
  return (type !== null && !simpleContentTypes.has(type)) || preflighted.some((name) => headers.has(name))
}

/** What whoever has the scope `catalog:read`, or any, may ask for. */
function readsCatalogAlone(field: GraphQLField<unknown, unknown>): boolean {
  const { authScopes } = (field.extensions.pothosOptions ?? {}) as { authScopes?: Partial<AuthScopes> }
  return authScopes?.['catalog:read'] === true || authScopes?.signedIn === true
}

/** The root's fields that an operation may ask for, in fragments too; introspection's are none. */
function fieldsOf({ document, schema, operationName }: Executing['args']): GraphQLField<unknown, unknown>[] {
  const operation = findOperation(document, operationName ?? null)
  if (operation === null) return []
  const isQuery = operation.operation === OperationTypeNode.QUERY
  const known = (isQuery ? schema.getQueryType() : schema.getSubscriptionType())?.getFields() ?? {}
  return namesIn(operation.selectionSet, document, new Set()).flatMap((name) => known[name] ?? [])
}

function namesIn({ selections }: SelectionSetNode, document: DocumentNode, opened: Set<string>): string[] {
  return selections.flatMap((node) => {
    if (node.kind === Kind.FIELD) return [node.name.value]
    if (node.kind === Kind.INLINE_FRAGMENT) return namesIn(node.selectionSet, document, opened)
    const name = node.name.value
    if (opened.has(name)) return []
    opened.add(name)
    const fragment = document.definitions.find(
      (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === name,
    )
    return fragment?.kind === Kind.FRAGMENT_DEFINITION ? namesIn(fragment.selectionSet, document, opened) : []
  })
}
