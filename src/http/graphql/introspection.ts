// Introspection as text: what a document asks of a schema is found once, in slices between which requests go on, and put
// into its answers as it is.

import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type FieldNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { createBreath } from '../../concurrency/breath.ts'
import { JsonText } from '../../schema/json-text.ts'
import { findOperation } from '../hot-path/compile.ts'

type Answer = { data: Record<string, JsonText> }
type Answers = Map<string, Answer>

/** Of one document: for each operation of it, and what its variables are. */
const maxAnswers = 10
/** Types of one slice: some milliseconds' work. */
const typesAtOnce = 20

/** Documents are those that Yoga keeps parsed; with their schema they are forgotten. */
export function keepIntrospection(): Plugin {
  const bySchema = new WeakMap<GraphQLSchema, WeakMap<DocumentNode, Answers>>()

  function answersOf(schema: GraphQLSchema, document: DocumentNode): Answers {
    const byDocument = bySchema.get(schema) ?? new WeakMap<DocumentNode, Answers>()
    bySchema.set(schema, byDocument)
    const answers: Answers = byDocument.get(document) ?? new Map()
    byDocument.set(document, answers)
    return answers
  }

  return {
    onExecute({ args, setResultAndStopExecution, setExecuteFn, executeFn }) {
      const { schema, document, operationName, variableValues } = args
      const fields = introspectionFieldsOf(findOperation(document, operationName ?? null))
      if (fields === null) return
      const answers = answersOf(schema, document)
      const key = JSON.stringify([operationName, variableValues])
      const known = answers.get(key)
      if (known !== undefined) {
        setResultAndStopExecution(known)
        return
      }
      setExecuteFn(async (given) => (await introspectInSlices(given, fields)) ?? executeFn(given))
      return {
        onExecuteDone({ result, setResult }) {
          const { data, errors } = result as ExecutionResult
          if (data == null || errors !== undefined || answers.size >= maxAnswers) return
          const answer = {
            data: Object.fromEntries(
              Object.entries(data).map(([name, value]) => [name, toText(value)] as const),
            ),
          }
          answers.set(key, answer)
          setResult(answer)
        },
      }
    },
  }
}

function toText(value: unknown): JsonText {
  return value instanceof JsonText ? value : new JsonText(JSON.stringify(value))
}

/** Null for an operation that asks for anything else. */
function introspectionFieldsOf(operation: OperationDefinitionNode | null): readonly FieldNode[] | null {
  if (operation === null || (operation.directives?.length ?? 0) > 0) return null
  const { selections } = operation.selectionSet
  const fields = selections.filter(
    (node) => node.kind === Kind.FIELD && (node.name.value === '__schema' || node.name.value === '__type'),
  )
  return fields.length === selections.length ? (fields as FieldNode[]) : null
}

const responseName = ({ alias, name }: FieldNode) => (alias ?? name).value

/**
 * What tools ask is one field `__schema`, and its `types` are nearly all of it: they are asked for a few at a time. Null for
 * what asks otherwise, or fails.
 */
async function introspectInSlices(
  args: ExecutionArgs,
  [field, ...others]: readonly FieldNode[],
): Promise<Answer | null> {
  const split = field && others.length === 0 ? splitTypes(field) : null
  if (field === undefined || split === null) return null
  const { types, rest } = split
  const ask = (selections: readonly FieldNode[]) => askFor(args, selections)
  const beside =
    rest.length === 0
      ? {}
      : ask([{ ...field, selectionSet: { kind: Kind.SELECTION_SET, selections: rest } }])?.[
          responseName(field)
        ]
  if (beside === undefined) return null
  const breathe = createBreath()
  const texts: string[] = []
  const names = Object.keys(args.schema.getTypeMap())
  for (let at = 0; at < names.length; at += typesAtOnce) {
    const slice = names.slice(at, at + typesAtOnce)
    const data = ask(slice.map((name, i) => typeField(types, name, `t${i}`)))
    if (data === null) return null
    for (const each of Object.values(data)) texts.push(JSON.stringify(each))
    await breathe()
  }
  const parts = { ...(beside as Record<string, unknown>) }
  const members = [...new Set(field.selectionSet?.selections.map((node) => responseName(node as FieldNode)))]
  const text = members.map((name) => {
    const own = name === responseName(types) ? `[${texts.join()}]` : JSON.stringify(parts[name])
    return `${JSON.stringify(name)}:${own}`
  })
  return { data: { [responseName(field)]: new JsonText(`{${text.join()}}`) } }
}

/** Null where directives or fragments decide what is asked for, or `types` is asked for twice. */
function splitTypes(field: FieldNode): { types: FieldNode; rest: readonly FieldNode[] } | null {
  if (field.name.value !== '__schema' || (field.directives?.length ?? 0) > 0) return null
  const fields: FieldNode[] = []
  for (const node of field.selectionSet?.selections ?? []) {
    if (node.kind !== Kind.FIELD || (node.directives?.length ?? 0) > 0) return null
    fields.push(node)
  }
  const [types, ...more] = fields.filter(({ name }) => name.value === 'types')
  if (types === undefined || more.length > 0) return null
  return { types, rest: fields.filter((node) => node !== types) }
}

function typeField(types: FieldNode, typeName: string, alias: string): FieldNode {
  return {
    ...types,
    alias: { kind: Kind.NAME, value: alias },
    name: { kind: Kind.NAME, value: '__type' },
    arguments: [
      {
        kind: Kind.ARGUMENT,
        name: { kind: Kind.NAME, value: 'name' },
        value: { kind: Kind.STRING, value: typeName },
      },
    ],
  }
}

/** Of the operation's own variables and fragments. Null where it fails. */
function askFor(args: ExecutionArgs, selections: readonly FieldNode[]): Record<string, unknown> | null {
  const { document, operationName } = args
  const operation = findOperation(document, operationName ?? null)
  const asked = {
    ...document,
    definitions: document.definitions.map((each) =>
      each === operation ? { ...operation, selectionSet: { kind: Kind.SELECTION_SET, selections } } : each,
    ),
  } as DocumentNode
  const result = execute({ ...args, document: asked })
  if (result instanceof Promise || !('data' in result) || result.errors !== undefined) return null
  return result.data ?? null
}
