// A valid document's operation that asks for nothing but features: its lookups, begun at once, and its answer's text.

import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  getArgumentValues,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql'
import type { Vectors } from '../../../realtime/vectors/vectors.ts'
import type { HeldSchema } from '../../../schema/held.ts'
import type { Loading } from '../../../schema/lookup-fields.ts'
import { operationLimits } from '../../../schema/operation-cost.ts'
import type { ByteText } from '../../../values/byte-text.ts'
import { type FailedField, FailedFields } from '../failed-fields.ts'
import { collectFields, type Fragments, NotProven } from '../fields.ts'
import type { VariableValues } from '../variables.ts'
import { type Arguments, type FindLookup, findLookups, type Start, type TypedLookup } from './lookups.ts'
import { type Collect, selectionsOf, typename } from './object-writer.ts'
import { type Survey, surveyOperation } from './survey.ts'

export interface TypedOperation {
  /** Null: declined, before anything was looked up. Rejects with FailedFields. */
  run(variables: VariableValues, loading: Loading): Promise<ByteText> | null
}

/** A lookup that is asked for, and how its text comes about. */
interface Asked {
  name: string
  path: readonly string[]
  node: FieldNode
  positions: readonly number[]
  isNullable: boolean
  start: Start
}

interface Group {
  name: string
  fields: readonly (Fixed | Asked)[]
}

interface Fixed {
  name: string
  text: ByteText
}

/** So that one operation's layouts stay few. */
const maxConditions = 4

/** Null for an operation that asks for anything else, or in a way that only the reference path knows. */
export function compileTyped(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  held: Pick<HeldSchema, 'schema' | 'typed' | 'services'>,
  vectors: Pick<Vectors, 'get'>,
): TypedOperation | null {
  if (operation.operation !== OperationTypeNode.QUERY || (operation.directives?.length ?? 0) > 0) return null
  const find = findLookups(held, vectors)
  const fragments = fragmentsOf(document)
  try {
    const survey = surveyOperation(operation, { find, fragments })
    if (survey.conditions.size > maxConditions) return null
    const layouts = new Map<string, readonly Placed[]>()
    const layOut = (coerced: Arguments): readonly Placed[] => {
      const key = [...survey.conditions].map((name) => coerced[name] === true).join()
      const known = layouts.get(key) ?? layOutRoot(operation, { find, fragments, coerced })
      layouts.set(key, known)
      return known
    }
    // What cannot be laid out is found now, not in the middle of a request.
    layOut({})
    const { schema } = held
    return { run: (variables, loading) => run({ schema, operation, survey, layOut }, variables, loading) }
  } catch (error) {
    if (error instanceof NotProven) return null
    throw error
  }
}

function fragmentsOf({ definitions }: DocumentNode): Fragments {
  const found = definitions.filter(
    (node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION,
  )
  return new Map(found.map((node) => [node.name.value, node]))
}

type Placed = Fixed | Asked | Group

interface Known {
  find: FindLookup
  fragments: Fragments
  coerced: Arguments
}

function layOutRoot(operation: OperationDefinitionNode, { find, fragments, coerced }: Known): Placed[] {
  const collect: Collect = (selections) =>
    collectFields(selections, fragments, (name) => coerced[name] === true)

  function layOut(
    parent: TypedLookup['parent'],
    before: readonly string[],
    [name, nodes]: readonly [string, readonly FieldNode[]],
  ): Fixed | Asked {
    const [node] = nodes
    if (node?.name.value === typename) return { name, text: `"${parent}"` as ByteText }
    const lookup = node && find(parent, node.name.value)
    if (node === undefined || lookup === undefined) throw new NotProven()
    const positions = nodes.flatMap(({ loc }) => (loc === undefined ? [] : [loc.start]))
    const { isNullable } = lookup
    return {
      name,
      path: [...before, name],
      node,
      positions,
      isNullable,
      start: lookup.starter(nodes, collect),
    }
  }

  return [...collect([operation.selectionSet])].map((field) => {
    const [name, nodes] = field
    if (nodes[0]?.name.value !== 'features') return layOut('Query', [], field)
    return {
      name,
      fields: [...collect(selectionsOf(nodes))].map((each) => layOut('Features', [name], each)),
    }
  })
}

interface Compiled {
  schema: GraphQLSchema
  operation: OperationDefinitionNode
  survey: Survey
  layOut(coerced: Arguments): readonly Placed[]
}

function run(compiled: Compiled, variables: VariableValues, loading: Loading): Promise<ByteText> | null {
  const { schema, operation, survey, layOut } = compiled
  if (holdsRounded(variables)) return null
  const found = getVariableValues(schema, operation.variableDefinitions ?? [], variables)
  if (found.variableValues === undefined) return null
  const args = argumentsOf(compiled, found.variableValues)
  if (args === null) return null
  let { cost } = survey
  for (const { node, cost: beneath, lookup } of survey.lookups) {
    const given = args.get(node) ?? {}
    if (!lookup.takes(given)) return null
    const entities = lookup.list === null ? undefined : given[lookup.list]
    if (Array.isArray(entities)) cost += beneath * (entities.length - 1)
  }
  if (cost > operationLimits.complexity) return null
  const placed = layOut(found.variableValues.coerced)
  return answer(placed, (asked) => asked.start(args.get(asked.node) ?? {}, loading))
}

/** Null where the reference path says what is wrong with them. */
function argumentsOf(
  { schema, survey }: Compiled,
  variableValues: Parameters<typeof getArgumentValues>[2],
): ReadonlyMap<FieldNode, Arguments> | null {
  const found = new Map<FieldNode, Arguments>()
  try {
    for (const { node, lookup } of survey.lookups) {
      const field = (schema.getType(lookup.parent) as GraphQLObjectType).getFields()[node.name.value]
      if (field === undefined) return null
      if (!found.has(node)) found.set(node, getArgumentValues(field, node, variableValues))
    }
    return found
  } catch {
    return null
  }
}

/** An integer that was rounded when it was parsed; the reference path reads its digits. */
function holdsRounded(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsRounded)
}

async function answer(
  placed: readonly Placed[],
  start: (asked: Asked) => Promise<ByteText>,
): Promise<ByteText> {
  const failures: FailedField[] = []
  let isLost = false

  async function write(field: Placed): Promise<string> {
    if ('text' in field) return `"${field.name}":${field.text}`
    if ('fields' in field) return `"${field.name}":{${(await Promise.all(field.fields.map(write))).join()}}`
    const { name, path, positions, isNullable } = field
    try {
      return `"${name}":${await start(field)}`
    } catch (cause) {
      if (isLost) return ''
      isLost = !isNullable
      failures.push({ cause, path, positions })
      return `"${name}":null`
    }
  }

  const texts = await Promise.all(placed.map(write))
  const data = (isLost ? 'null' : `{${texts.join()}}`) as ByteText
  if (failures.length > 0) throw new FailedFields(failures, data)
  return `{"data":${data}}` as ByteText
}
