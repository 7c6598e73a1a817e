// What a GraphQL operation is called in metrics and traces: by its client, and by the field of the schema that it asks for.

import { type DocumentNode, Kind, type OperationDefinitionNode } from 'graphql'
import type { Operation, OperationName, Operations } from '../../telemetry/operations.ts'
import { findOperation } from '../hot-path/compile.ts'

const unnamed = 'unnamed'

/** Of a valid document's operation. */
export function nameOperation({ name, selectionSet }: OperationDefinitionNode): OperationName {
  const fields = new Set(
    selectionSet.selections.map((node) => (node.kind === Kind.FIELD ? node.name.value : null)),
  )
  const [field] = fields
  return {
    api: 'graphql',
    operation: name?.value ?? unnamed,
    field: fields.size === 1 && field ? field : 'several',
  }
}

/** Of a route as it is declared, its parameters unfilled. */
export function nameRoute(method: string, route: string): OperationName {
  return { api: 'rest', operation: `${method} ${route}`, field: '' }
}

/** What could not be told apart: it does not parse, is not valid, or names no operation of its document. */
const unusable: OperationName = { api: 'graphql', operation: 'unusable', field: '' }

/** Remembers the operations of documents for as long as those are kept. */
export function createOperationFinder(operations: Operations) {
  const found = new WeakMap<DocumentNode, Map<string | null, Operation>>()
  return {
    unusable: operations.of(unusable),
    find(document: DocumentNode, operationName: string | null | undefined): Operation {
      const ofDocument = found.get(document) ?? new Map<string | null, Operation>()
      found.set(document, ofDocument)
      const name = operationName ?? null
      const known = ofDocument.get(name)
      if (known !== undefined) return known
      const node = findOperation(document, name)
      if (node === null) return operations.of(unusable)
      const operation = operations.of(nameOperation(node))
      ofDocument.set(name, operation)
      return operation
    },
  }
}

export type OperationFinder = ReturnType<typeof createOperationFinder>
