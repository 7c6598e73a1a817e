// All that an operation on features can reach, whatever its conditions: its lookups, and what it costs as the limits count.

import { type FieldNode, Kind, type OperationDefinitionNode, type SelectionSetNode } from 'graphql'
import { operationLimits, partsMultiplier } from '../../../schema/operation-cost.ts'
import { type Fragments, NotProven, noteConditions } from '../fields.ts'
import type { FindLookup, TypedLookup } from './lookups.ts'

export interface Survey {
  /** Wherever they are spread, each with what is beneath it. */
  lookups: readonly SurveyedLookup[]
  /** The variables that @skip and @include name. */
  conditions: ReadonlySet<string>
  /** What the operation costs where each list has one entity. */
  cost: number
}

export interface SurveyedLookup {
  node: FieldNode
  lookup: TypedLookup
  cost: number
}

type VisitField = (node: FieldNode, depth: number) => void

/** Throws NotProven for what asks for anything else. */
export function surveyOperation(
  operation: OperationDefinitionNode,
  { find, fragments }: { find: FindLookup; fragments: Fragments },
): Survey {
  const lookups: SurveyedLookup[] = []
  const conditions = new Set<string>()
  let breadth = 0
  let cost = 0
  /** What a field costs that stands here. */
  let weight = 1

  function visit({ selections }: SelectionSetNode, depth: number, visitField: VisitField) {
    if (depth > operationLimits.depth) throw new NotProven()
    for (const node of selections) {
      noteConditions(node, conditions)
      if (node.kind === Kind.FIELD) {
        if (++breadth > operationLimits.breadth) throw new NotProven()
        cost += weight
        visitField(node, depth)
        continue
      }
      const fragment = node.kind === Kind.FRAGMENT_SPREAD ? fragments.get(node.name.value) : node
      // One that is not there, or with variables of its own.
      if (
        fragment === undefined ||
        ('variableDefinitions' in fragment && (fragment.variableDefinitions?.length ?? 0) > 0)
      )
        throw new NotProven()
      if (fragment !== node) noteConditions(fragment, conditions)
      visit(fragment.selectionSet, depth, visitField)
    }
  }

  function visitBeneath({ selectionSet }: FieldNode, depth: number) {
    if (selectionSet !== undefined) visit(selectionSet, depth + 1, visitBeneath)
  }

  /** Each vector has parts. */
  function visitVector(node: FieldNode, depth: number) {
    const before = weight
    if (node.name.value === 'views') weight *= partsMultiplier
    visitBeneath(node, depth)
    weight = before
  }

  function visitLookup(lookup: TypedLookup, node: FieldNode, depth: number) {
    const before = cost
    if (node.selectionSet === undefined) throw new NotProven()
    visit(node.selectionSet, depth + 1, lookup.givesVectors ? visitVector : visitBeneath)
    lookups.push({ node, lookup, cost: cost - before })
  }

  const visitIn =
    (parent: 'Query' | 'Features'): VisitField =>
    (node, depth) => {
      const { value } = node.name
      if (value === '__typename') return
      const lookup = find(parent, value)
      if (lookup !== undefined) return visitLookup(lookup, node, depth)
      if (parent === 'Features' || value !== 'features' || node.selectionSet === undefined)
        throw new NotProven()
      // Of another moment than now.
      if ((node.arguments?.length ?? 0) > 0) throw new NotProven()
      visit(node.selectionSet, depth + 1, visitIn('Features'))
    }

  visit(operation.selectionSet, 1, visitIn('Query'))
  return { lookups, conditions, cost }
}
