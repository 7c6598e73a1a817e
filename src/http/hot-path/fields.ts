// Which fields a selection asks for, once it is known which of its conditions hold: fragments opened, equal names merged.

import {
  type DirectiveNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql'

export type Fragments = ReadonlyMap<string, FragmentDefinitionNode>
/** The truth of a variable that a @skip or @include names. */
export type IsTrue = (variable: string) => boolean

/** Thrown where a document is of a kind that only the reference path knows; caught where the operation is compiled. */
export class NotProven extends Error {}

/** Notes the variables that a node's @skip and @include name; NotProven for any other directive. */
export function noteConditions(
  { directives = [] }: { directives?: readonly DirectiveNode[] | undefined },
  conditions: Set<string>,
): void {
  for (const directive of directives) {
    const condition = conditionOf(directive)
    if (condition === null) throw new NotProven()
    if (typeof condition === 'string') conditions.add(condition)
  }
}

/** The fields in the order of their response, each with all the nodes that ask for it. */
export function collectFields(
  selections: readonly SelectionSetNode[],
  fragments: Fragments,
  isTrue: IsTrue,
): Map<string, FieldNode[]> {
  const fields = new Map<string, FieldNode[]>()
  const opened = new Set<string>()

  function collect({ selections: nodes }: SelectionSetNode) {
    for (const node of nodes) {
      if (!isIncluded(node, isTrue)) continue
      if (node.kind === Kind.FIELD) {
        const name = responseName(node)
        const known = fields.get(name)
        if (known === undefined) fields.set(name, [node])
        else known.push(node)
      } else if (node.kind === Kind.INLINE_FRAGMENT) collect(node.selectionSet)
      else open(node.name.value)
    }
  }

  function open(name: string) {
    const fragment = fragments.get(name)
    if (fragment === undefined || opened.has(name)) return
    opened.add(name)
    collect(fragment.selectionSet)
  }

  for (const selection of selections) collect(selection)
  return fields
}

export function responseName({ alias, name }: FieldNode): string {
  return alias?.value ?? name.value
}

function isIncluded({ directives = [] }: SelectionNode, isTrue: IsTrue): boolean {
  return directives.every((directive) => {
    const condition = conditionOf(directive)
    const holds = typeof condition === 'string' ? isTrue(condition) : condition === true
    return directive.name.value === 'skip' ? !holds : holds
  })
}

/** A variable's name, or the value that is written there; null when this is neither @skip nor @include. */
function conditionOf({ name, arguments: args = [] }: DirectiveNode): string | boolean | null {
  const value = args[0]?.value
  if (name.value !== 'skip' && name.value !== 'include') return null
  if (value?.kind === Kind.VARIABLE) return value.name.value
  return value?.kind === Kind.BOOLEAN ? value.value : null
}
