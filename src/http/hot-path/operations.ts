// The documents that the reference path has found valid, and their operations, compiled: the least recently used go first.

import { type DocumentNode, type GraphQLSchema, type OperationDefinitionNode, parse } from 'graphql'
import { createTextCache, type TextCache } from '../../concurrency/text-cache.ts'
import type { Vectors } from '../../realtime/vectors/vectors.ts'
import type { HeldSchema, SchemaHolder } from '../../schema/held.ts'
import type { Operation, Operations } from '../../telemetry/operations.ts'
import { nameOperation } from '../graphql/operation-names.ts'
import { type CompiledOperation, compile, findOperation } from './compile.ts'
import type { Layout } from './layout.ts'
import { type LaidOutOperation, run } from './run.ts'
import { compileTyped, type TypedOperation } from './typed/typed-operation.ts'

/** Longer documents hold their values instead of variables; operations take some twenty times as much memory as their texts. */
const limits = { longest: 16_384, most: 1_000, maxCharacters: 512 * 1024 }
/** Layouts kept of one operation, one for each combination of its conditions; beyond them they are made anew. */
const maxLayouts = 4

export interface KeptOperation extends TypedOperation {
  /** What its answers are counted in. */
  operation: Operation
}

interface Known {
  /** By operation name; compiled when it is first asked for. Null is for the reference path. */
  operations: Map<string | null, KeptOperation | null>
}

export interface CompiledOperations {
  /** Notes a document that is parsed, and valid against this schema. */
  accept(document: string, schema: GraphQLSchema): void
  /** Null unless the document was accepted and the operation can be compiled. */
  find(document: string, operationName: string | null): KeptOperation | null
  readonly size: { documents: number; characters: number }
}

/** They are of the schema in force: with the next one all are made anew. */
export function createCompiledOperations(
  holder: Pick<SchemaHolder, 'current'>,
  { operations, vectors }: { operations: Operations; vectors: Pick<Vectors, 'get'> },
): CompiledOperations {
  let known: TextCache<Known> = createTextCache<Known>(limits)
  let version = holder.current.version

  function documents(): TextCache<Known> {
    if (version !== holder.current.version) {
      known = createTextCache<Known>(limits)
      version = holder.current.version
    }
    return known
  }

  /** Cheaply, so that documents of other kinds take no room. */
  function mayLookUp(document: string): boolean {
    for (const name of holder.current.lookupFields.keys()) if (document.includes(name)) return true
    return document.includes('features') || document.includes('onlineFeatures')
  }

  return {
    accept(document, schema) {
      if (schema !== holder.current.schema || documents().has(document)) return
      if (mayLookUp(document)) documents().set(document, { operations: new Map() })
    },
    find(document, operationName) {
      const found = documents().get(document)
      if (found === undefined) return null
      const known = found.operations.get(operationName)
      if (known !== undefined) return known
      const parsed = parse(document)
      const operation = findOperation(parsed, operationName)
      // Names that the document lacks are not kept: there is no end of them.
      if (operation === null) return null
      const compiled = compileAny(parsed, operation, holder.current, vectors)
      const kept = compiled && { ...compiled, operation: operations.of(nameOperation(operation)) }
      found.operations.set(operationName, kept)
      return kept
    },
    get size() {
      const { texts, characters } = documents().size
      return { documents: texts, characters }
    },
  }
}

function compileAny(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  held: HeldSchema,
  vectors: Pick<Vectors, 'get'>,
): TypedOperation | null {
  const compiled = compile(document, operation, held.lookupFields)
  if (compiled === null) return compileTyped(document, operation, held, vectors)
  const laidOut = withLayouts(compiled)
  return { run: (variables, loading) => run(laidOut, variables, loading) }
}

function withLayouts(compiled: CompiledOperation): LaidOutOperation {
  const layouts = new Map<string, Layout>()
  return {
    ...compiled,
    layoutOf(conditions) {
      const key = conditions.join()
      const found = layouts.get(key)
      if (found !== undefined) return found
      if (layouts.size >= maxLayouts) layouts.clear()
      const layout = compiled.layout(conditions)
      layouts.set(key, layout)
      return layout
    },
  }
}
