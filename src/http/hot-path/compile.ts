// A valid document's operation as a plan, when all that it asks for are realtime lookups: what to look up, how to write it down.

import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql'
import { operationLimits } from '../../schema/builder.ts'
import { collectFields, conditionOf, type Fragments } from './fields.ts'
import { isRowField, type Layout, layOut } from './layout.ts'
import { type Argument, compileArgument, compileSlots, type Slot } from './variables.ts'

/** One realtime field of the document. */
export interface Call {
  many: boolean
  queryId: Argument
  etlPath: Argument | null
  indexKey: Argument
  /** A string, or for many a list. */
  values: Argument
  /** How many fields it selects of each result, as the limits count them. */
  cost: number
}

export interface Plan {
  slots: readonly Slot[]
  /** Those that are skipped too: GraphQL counts and checks them all. */
  calls: readonly Call[]
  /** The slots that @skip and @include look at. */
  conditions: readonly number[]
  /** What the operation costs apart from its lists. */
  fixedCost: number
  /** What is asked for when the conditions have these values. */
  layout(conditions: readonly boolean[]): Layout
}

const callNames = new Map([
  ['queryRealtime', { many: false, etl: false }],
  ['queryRealtimeMany', { many: true, etl: false }],
  ['extractRealtime', { many: false, etl: true }],
  ['extractRealtimeMany', { many: true, etl: true }],
])

/** So that one operation's layouts stay few. */
const mostConditions = 4

/** The operation that a request names, or the only one there is. */
export function findOperation(
  document: DocumentNode,
  operationName: string | null,
): OperationDefinitionNode | null {
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION)
  const named = operations.filter(({ name }) => operationName === null || name?.value === operationName)
  return named.length === 1 ? (named[0] ?? null) : null
}

/** Null for an operation that asks for anything but realtime lookups, or in a way that only the reference path knows. */
export function compile(document: DocumentNode, operation: OperationDefinitionNode): Plan | null {
  const slots = compileSlots(operation.variableDefinitions ?? [])
  if (slots === null || operation.operation !== OperationTypeNode.QUERY) return null
  if ((operation.directives?.length ?? 0) > 0) return null
  const fragments = fragmentsOf(document)
  const survey = surveyOperation(operation, fragments, slots)
  if (survey === null || survey.conditions.size > mostConditions) return null
  const { calls, callOf } = survey
  const names = [...survey.conditions]
  const conditions = names.map((name) =>
    slots.findIndex((slot) => slot.name === name && slot.kind === 'Boolean'),
  )
  if (conditions.includes(-1)) return null

  return {
    slots,
    calls,
    conditions,
    fixedCost: survey.breadth,
    layout(truths) {
      const isTrue = (name: string) => truths[names.indexOf(name)] === true
      const collect = (selections: readonly SelectionSetNode[]) =>
        collectFields(selections, fragments, isTrue)
      return layOut(collect([operation.selectionSet]), callOf, collect)
    },
  }
}

function fragmentsOf(document: DocumentNode): Fragments {
  const found = new Map<string, FragmentDefinitionNode>()
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) found.set(node.name.value, node)
  }
  return found
}

/** Thrown while surveying, caught at its end. */
class NotProven extends Error {}

/** Goes over everything that the operation can reach, whatever its conditions. */
function surveyOperation(operation: OperationDefinitionNode, fragments: Fragments, slots: readonly Slot[]) {
  const calls: Call[] = []
  const callOf = new Map<FieldNode, number>()
  const conditions = new Set<string>()
  let breadth = 0

  function check(directives: readonly DirectiveNode[] = []) {
    for (const directive of directives) {
      const condition = conditionOf(directive)
      if (condition === null) throw new NotProven()
      if (typeof condition === 'string') conditions.add(condition)
    }
  }

  /** Fragments count wherever they are spread, as they do for the limits. */
  function visit(selection: SelectionSetNode, type: string, visitField: (node: FieldNode) => void) {
    for (const node of selection.selections) {
      check(node.directives)
      if (node.kind === Kind.FIELD) {
        if (++breadth > operationLimits.breadth) throw new NotProven()
        visitField(node)
        continue
      }
      const fragment = node.kind === Kind.FRAGMENT_SPREAD ? fragments.get(node.name.value) : node
      const on = fragment?.typeCondition?.name.value ?? type
      if (fragment === undefined || on !== type) throw new NotProven()
      if (fragment !== node) check(fragment.directives)
      visit(fragment.selectionSet, type, visitField)
    }
  }

  function visitRoot(node: FieldNode) {
    if (node.name.value === '__typename') return
    const before = breadth
    if (node.selectionSet === undefined) throw new NotProven()
    visit(node.selectionSet, 'RealtimeResult', ({ name }) => {
      if (!isRowField(name.value)) throw new NotProven()
    })
    const call = compileCall(node, slots, breadth - before)
    if (call === null) throw new NotProven()
    callOf.set(node, calls.push(call) - 1)
  }

  try {
    visit(operation.selectionSet, 'Query', visitRoot)
    return { calls, callOf, conditions, breadth }
  } catch (error) {
    if (error instanceof NotProven) return null
    throw error
  }
}

function compileCall(node: FieldNode, slots: readonly Slot[], cost: number): Call | null {
  const kind = callNames.get(node.name.value)
  if (kind === undefined) return null
  const argument = (name: string, type: Slot['kind']) => {
    const found = node.arguments?.find((candidate) => candidate.name.value === name)
    return found === undefined ? null : compileArgument(found.value, type, slots)
  }
  const queryId = argument('queryId', 'ID')
  const indexKey = argument('indexKey', 'String')
  const etlPath = kind.etl ? argument('etlPath', 'String') : null
  const values = kind.many ? argument('indexValues', 'StringList') : argument('indexValue', 'String')
  if (queryId === null || indexKey === null || values === null || (kind.etl && etlPath === null)) return null
  return { many: kind.many, queryId, etlPath, indexKey, values, cost }
}
