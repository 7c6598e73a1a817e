// The documents that the reference path has found valid, and their plans: the least recently used go first.

import { parse } from 'graphql'
import { createTextCache } from '../../concurrency/text-cache.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import type { Operation, Operations } from '../../telemetry/operations.ts'
import { nameOperation } from '../graphql/operation-names.ts'
import { compile, findOperation, type Plan } from './compile.ts'
import type { Layout } from './layout.ts'

/** Longer documents are not worth keeping: they hold their values instead of variables. */
const longestDocument = 16_384
const mostDocuments = 1_000
/** Of all documents together, in characters: plans take some twenty times as much memory. */
const mostCharacters = 512 * 1024
/** Layouts kept of one plan, one for each combination of its conditions; beyond them they are made anew. */
const mostLayouts = 4

export interface CompiledPlan extends Plan {
  layoutOf(conditions: readonly boolean[]): Layout
  /** What its answers are counted in. */
  operation: Operation
}

interface Known {
  /** By operation name; compiled when it is first asked for. Null is for the reference path. */
  plans: Map<string | null, CompiledPlan | null>
}

export interface Plans {
  /** Notes a document that is parsed and valid. */
  accept(document: string): void
  /** Null unless the document was accepted and the operation can be compiled. */
  find(document: string, operationName: string | null): CompiledPlan | null
  readonly size: { documents: number; characters: number }
}

export function createPlans(operations: Operations = createMetrics().operations): Plans {
  const known = createTextCache<Known>({
    longest: longestDocument,
    most: mostDocuments,
    mostCharacters,
  })

  return {
    accept(document) {
      if (!known.has(document) && document.includes('Realtime')) known.set(document, { plans: new Map() })
    },
    find(document, operationName) {
      const found = known.get(document)
      if (found === undefined) return null
      const plan = found.plans.get(operationName)
      if (plan !== undefined) return plan
      const parsed = parse(document)
      const operation = findOperation(parsed, operationName)
      // Names that the document lacks are not kept: there is no end of them.
      if (operation === null) return null
      const compiled = compile(parsed, operation)
      const kept = compiled && withLayouts(compiled, operations.of(nameOperation(operation)))
      found.plans.set(operationName, kept)
      return kept
    },
    get size() {
      const { texts, characters } = known.size
      return { documents: texts, characters }
    },
  }
}

function withLayouts(plan: Plan, operation: Operation): CompiledPlan {
  const layouts = new Map<string, Layout>()
  return {
    ...plan,
    operation,
    layoutOf(conditions) {
      const key = conditions.join()
      const found = layouts.get(key)
      if (found !== undefined) return found
      if (layouts.size >= mostLayouts) layouts.clear()
      const layout = plan.layout(conditions)
      layouts.set(key, layout)
      return layout
    },
  }
}
