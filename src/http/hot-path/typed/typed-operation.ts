// A valid document's operation that asks for nothing but `features`: its lookups, begun at once, and its answer's text.

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
  type SelectionSetNode,
} from 'graphql'
import type { HeldSchema } from '../../../schema/held.ts'
import type { Loading } from '../../../schema/lookup-fields.ts'
import { operationLimits } from '../../../schema/operation-cost.ts'
import type { TypedEntry } from '../../../schema/typed/entries.ts'
import { answersOf, keyOf, rowsOfOne } from '../../../schema/typed/typed-lookups.ts'
import { type ByteText, toByteText } from '../../../values/byte-text.ts'
import { type FailedField, FailedFields } from '../failed-fields.ts'
import { collectFields, type Fragments, NotProven, noteConditions } from '../fields.ts'
import type { VariableValues } from '../variables.ts'
import { type Collect, createAnswerWriter, createRowWriter, listWriter } from './row-writer.ts'

export interface TypedOperation {
  /** Null: declined, before anything was looked up. Rejects with FailedFields. */
  run(variables: VariableValues, loading: Loading): Promise<ByteText> | null
}

/** A field of `Features` as the schema has it. */
interface Field {
  entry: TypedEntry
  isMany: boolean
}

type Arguments = Readonly<Record<string, unknown>>

/** One that is asked for, and how its text comes about. */
interface Asked {
  name: string
  node: FieldNode
  positions: readonly number[]
  /** Where it fails: null in its place, or no data at all. */
  isNullable: boolean
  start(args: Arguments, loading: Loading): Promise<string>
}

interface Group {
  name: string
  /** Null for __typename. */
  fields: readonly ({ name: string; text: string } | Asked)[] | null
}

/** So that one operation's layouts stay few. */
const maxConditions = 4

/** Null for an operation that asks for anything else, or in a way that only the reference path knows. */
export function compileTyped(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  { schema, typed }: Pick<HeldSchema, 'schema' | 'typed'>,
): TypedOperation | null {
  const features = schema.getType('Features') as GraphQLObjectType | undefined
  if (features === undefined || operation.operation !== OperationTypeNode.QUERY) return null
  if ((operation.directives?.length ?? 0) > 0) return null
  const fields = fieldsOf(typed)
  const fragments = fragmentsOf(document)
  try {
    const survey = surveyOperation(operation, { fields, fragments })
    if (survey.conditions.size > maxConditions) return null
    const layouts = new Map<string, readonly Group[]>()
    const layOut = (coerced: Arguments): readonly Group[] => {
      const key = [...survey.conditions].map((name) => coerced[name] === true).join()
      const known =
        layouts.get(key) ?? layOutGroups(operation, { schema, features, fields, fragments, coerced })
      layouts.set(key, known)
      return known
    }
    // What cannot be laid out is found now, not in the middle of a request.
    layOut({})
    return {
      run: (variables, loading) =>
        runTyped({ schema, operation, features, survey, layOut }, variables, loading),
    }
  } catch (error) {
    if (error instanceof NotProven) return null
    throw error
  }
}

function fieldsOf(typed: HeldSchema['typed']): ReadonlyMap<string, Field> {
  return new Map(
    [...typed.values()].flatMap((entry): [string, Field][] => [
      [entry.name, { entry, isMany: false }],
      [`${entry.name}Many`, { entry, isMany: true }],
    ]),
  )
}

function fragmentsOf({ definitions }: DocumentNode): Fragments {
  const found = definitions.filter(
    (node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION,
  )
  return new Map(found.map((node) => [node.name.value, node]))
}

interface Survey {
  /** Each lookup wherever it is spread, with how many fields are beneath it. */
  lookups: readonly { node: FieldNode; cost: number; isMany: boolean }[]
  conditions: ReadonlySet<string>
  breadth: number
}

/** Goes over everything that the operation can reach, whatever its conditions, as the limits count it. */
function surveyOperation(
  operation: OperationDefinitionNode,
  { fields, fragments }: { fields: ReadonlyMap<string, Field>; fragments: Fragments },
): Survey {
  const lookups: { node: FieldNode; cost: number; isMany: boolean }[] = []
  const conditions = new Set<string>()
  let breadth = 0

  function visit(
    { selections }: SelectionSetNode,
    depth: number,
    visitField: (node: FieldNode, depth: number) => void,
  ) {
    if (depth > operationLimits.depth) throw new NotProven()
    for (const node of selections) {
      noteConditions(node, conditions)
      if (node.kind === Kind.FIELD) {
        if (++breadth > operationLimits.breadth) throw new NotProven()
        visitField(node, depth)
        continue
      }
      const fragment = node.kind === Kind.FRAGMENT_SPREAD ? fragments.get(node.name.value) : node
      // A fragment on an interface, or one with variables of its own.
      if (
        fragment === undefined ||
        ('variableDefinitions' in fragment && (fragment.variableDefinitions?.length ?? 0) > 0)
      )
        throw new NotProven()
      if (fragment !== node) noteConditions(fragment, conditions)
      visit(fragment.selectionSet, depth, visitField)
    }
  }

  function visitBeneath(node: FieldNode, depth: number) {
    if (node.selectionSet !== undefined) visit(node.selectionSet, depth + 1, visitBeneath)
  }

  function visitLookup(node: FieldNode, depth: number) {
    if (node.name.value === '__typename') return
    const field = fields.get(node.name.value)
    if (field === undefined) throw new NotProven()
    const before = breadth
    visitBeneath(node, depth)
    lookups.push({ node, cost: breadth - before, isMany: field.isMany })
  }

  function visitRoot(node: FieldNode, depth: number) {
    if (node.name.value === '__typename') return
    if (
      node.name.value !== 'features' ||
      (node.arguments?.length ?? 0) > 0 ||
      node.selectionSet === undefined
    )
      throw new NotProven()
    visit(node.selectionSet, depth + 1, visitLookup)
  }

  visit(operation.selectionSet, 1, visitRoot)
  return { lookups, conditions, breadth }
}

interface Known {
  schema: GraphQLSchema
  features: GraphQLObjectType
  fields: ReadonlyMap<string, Field>
  fragments: Fragments
  coerced: Arguments
}

function layOutGroups(operation: OperationDefinitionNode, known: Known): readonly Group[] {
  const { fragments, coerced } = known
  const collect: Collect = (selections) =>
    collectFields(selections, fragments, (name) => coerced[name] === true)
  return [...collect([operation.selectionSet])].map(([name, nodes]) => {
    if (nodes[0]?.name.value === '__typename') return { name, fields: null }
    const beneath = collect(nodes.flatMap(({ selectionSet }) => selectionSet ?? []))
    return { name, fields: [...beneath].map(([own, ofField]) => layOutField(own, ofField, collect, known)) }
  })
}

function layOutField(
  name: string,
  nodes: readonly FieldNode[],
  collect: Collect,
  { schema, fields }: Known,
): { name: string; text: string } | Asked {
  const [node] = nodes
  const field = fields.get(node?.name.value ?? '')
  if (node?.name.value === '__typename') return { name, text: '"Features"' }
  if (node === undefined || field === undefined) throw new NotProven()
  const { entry, isMany } = field
  const row = schema.getType(entry.typeName) as GraphQLObjectType
  const positions = nodes.flatMap(({ loc }) => (loc === undefined ? [] : [loc.start]))
  const asked = { name, node, positions, isNullable: !isMany && entry.isInTime }
  if (isMany) {
    const answer = schema.getType(`${entry.typeName}Answer`) as GraphQLObjectType
    const write = listWriter(createAnswerWriter(entry, { row, answer }, nodes, collect))
    return {
      ...asked,
      start: async ({ keys }, loading) =>
        write(
          await answersOf(
            entry,
            loading,
            (keys as Arguments[]).map((own) => keyOf(entry, own)),
          ),
        ),
    }
  }
  const write = createRowWriter(row, entry.members, nodes, collect)
  const writeRows = listWriter(write)
  return {
    ...asked,
    start: async (args, loading) => {
      const rows = await rowsOfOne(entry, loading, keyOf(entry, args))
      if (!entry.isInTime) return writeRows(rows)
      return rows[0] === undefined ? 'null' : write(rows[0])
    },
  }
}

interface Compiled {
  schema: GraphQLSchema
  operation: OperationDefinitionNode
  features: GraphQLObjectType
  survey: Survey
  layOut(coerced: Arguments): readonly Group[]
}

function runTyped(compiled: Compiled, variables: VariableValues, loading: Loading): Promise<ByteText> | null {
  const { schema, operation, survey, layOut } = compiled
  if (holdsRounded(variables)) return null
  const found = getVariableValues(schema, operation.variableDefinitions ?? [], variables)
  if (found.variableValues === undefined) return null
  const args = argumentsOf(compiled, found.variableValues)
  if (args === null) return null
  let cost = survey.breadth
  for (const { node, cost: beneath, isMany } of survey.lookups) {
    const keys = isMany ? args.get(node)?.keys : undefined
    if (Array.isArray(keys)) cost += beneath * (keys.length - 1)
  }
  if (cost > operationLimits.complexity) return null
  const groups = layOut(found.variableValues.coerced)
  return answer(groups, (asked) => asked.start(args.get(asked.node) ?? {}, loading))
}

/** Null where the reference path says what is wrong with them. */
function argumentsOf(
  { features, survey }: Compiled,
  variableValues: Parameters<typeof getArgumentValues>[2],
): ReadonlyMap<FieldNode, Arguments> | null {
  const found = new Map<FieldNode, Arguments>()
  try {
    for (const { node } of survey.lookups) {
      const field = features.getFields()[node.name.value]
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

async function answer(groups: readonly Group[], start: (asked: Asked) => Promise<string>): Promise<ByteText> {
  const failures: FailedField[] = []
  let isLost = false
  const texts = await Promise.all(
    groups.map(async ({ name: group, fields }) => {
      if (fields === null) return `"${group}":"Query"`
      const cells = await Promise.all(
        fields.map(async (field) => {
          if ('text' in field) return `"${field.name}":${field.text}`
          const { name, positions, isNullable } = field
          try {
            return `"${name}":${await start(field)}`
          } catch (cause) {
            if (isLost) return ''
            isLost = !isNullable
            failures.push({ cause, path: [group, name], positions })
            return `"${name}":null`
          }
        }),
      )
      return `"${group}":{${cells.join()}}`
    }),
  )
  const data = isLost ? ('null' as ByteText) : toByteText(`{${texts.join()}}`)
  if (failures.length > 0) throw new FailedFields(failures, data)
  return `{"data":${data}}` as ByteText
}
