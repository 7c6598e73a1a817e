// A valid document's operation compiled, when all that it asks for are realtime lookups: what to look up, how to write it down.

import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql'
import type { AnswerType, ArgumentKind, LookupField, LookupFields } from '../../schema/lookup-fields.ts'
import { operationLimits } from '../../schema/operation-cost.ts'
import { collectFields, type Fragments, NotProven, noteConditions } from './fields.ts'
import { fieldOf, type Layout, layOut, type PlacedCall } from './layout.ts'
import { type Argument, compileArgument, compileSlots, type Slot } from './variables.ts'

/** One lookup of the document. */
export interface Call {
  field: LookupField
  arguments: readonly CallArgument[]
  /** How many fields it selects of each result, as the limits count them. */
  cost: number
}

export interface CallArgument {
  name: string
  kind: ArgumentKind
  value: Argument
}

export interface CompiledOperation {
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

/** So that one operation's layouts stay few. */
const maxConditions = 4

/** The operation that a request names, or the only one there is. */
export function findOperation(
  document: DocumentNode,
  operationName: string | null,
): OperationDefinitionNode | null {
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION)
  const named = operations.filter(({ name }) => operationName === null || name?.value === operationName)
  return named.length === 1 ? (named[0] ?? null) : null
}

/** Null for an operation that asks for anything but these lookups, or in a way that only the reference path knows. */
export function compile(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  lookupFields: LookupFields,
): CompiledOperation | null {
  const slots = compileSlots(operation.variableDefinitions ?? [])
  if (slots === null || operation.operation !== OperationTypeNode.QUERY) return null
  if ((operation.directives?.length ?? 0) > 0) return null
  const fragments = fragmentsOf(document)
  const survey = surveyOperation(operation, { lookupFields, fragments, slots })
  if (survey === null || survey.conditions.size > maxConditions) return null
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

/** Goes over everything that the operation can reach, whatever its conditions. */
function surveyOperation(
  operation: OperationDefinitionNode,
  known: { lookupFields: LookupFields; fragments: Fragments; slots: readonly Slot[] },
) {
  const { lookupFields, fragments, slots } = known
  const calls: Call[] = []
  const callOf = new Map<FieldNode, PlacedCall>()
  const conditions = new Set<string>()
  let breadth = 0

  /** Fragments count wherever they are spread, as they do for the limits. */
  function visit(selection: SelectionSetNode, type: string, visitField: (node: FieldNode) => void) {
    for (const node of selection.selections) {
      noteConditions(node, conditions)
      if (node.kind === Kind.FIELD) {
        if (++breadth > operationLimits.breadth) throw new NotProven()
        visitField(node)
        continue
      }
      const fragment = node.kind === Kind.FRAGMENT_SPREAD ? fragments.get(node.name.value) : node
      const on = fragment?.typeCondition?.name.value ?? type
      if (fragment === undefined || on !== type) throw new NotProven()
      if (fragment !== node) noteConditions(fragment, conditions)
      visit(fragment.selectionSet, type, visitField)
    }
  }

  function visitRoot(node: FieldNode) {
    if (node.name.value === '__typename') return
    const field = lookupFields.get(node.name.value)
    if (field === undefined) throw new NotProven()
    const before = breadth
    visitAnswer(node, field.answer)
    const call = compileCall(node, { field, slots, cost: breadth - before })
    callOf.set(node, { index: calls.push(call) - 1, type: field.answer })
  }

  function visitAnswer<Answer>({ selectionSet }: FieldNode, type: AnswerType<Answer>) {
    if (selectionSet === undefined) throw new NotProven()
    visit(selectionSet, type.name, (node) => {
      const field = fieldOf(type, node.name.value)
      if (field === null) throw new NotProven()
      if ('type' in field) visitAnswer(node, field.type)
    })
  }

  try {
    visit(operation.selectionSet, 'Query', visitRoot)
    return { calls, callOf, conditions, breadth }
  } catch (error) {
    if (error instanceof NotProven) return null
    throw error
  }
}

function compileCall(
  node: FieldNode,
  { field, slots, cost }: { field: LookupField; slots: readonly Slot[]; cost: number },
): Call {
  const args = Object.entries(field.arguments).map(([name, kind]) => {
    const found = node.arguments?.find((candidate) => candidate.name.value === name)
    const value = found === undefined ? null : compileArgument(found.value, kind, slots)
    if (value === null) throw new NotProven()
    return { name, kind, value }
  })
  return { field, arguments: args, cost }
}
