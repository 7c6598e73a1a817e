// Introspection as text: what a document asks of a schema is found once, and put into its answers as it is.

import { type DocumentNode, type ExecutionResult, type GraphQLSchema, Kind } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { JsonText } from '../../schema/json-text.ts'
import { findOperation } from '../hot-path/compile.ts'

type Answers = Map<string, { data: Record<string, JsonText> }>

/** Of one document: for each operation of it, and what its variables are. */
const maxAnswers = 10

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
    onExecute({ args, setResultAndStopExecution }) {
      const { schema, document, operationName, variableValues } = args
      if (!isIntrospection(document, operationName)) return
      const answers = answersOf(schema, document)
      const key = JSON.stringify([operationName, variableValues])
      const known = answers.get(key)
      if (known !== undefined) {
        setResultAndStopExecution(known)
        return
      }
      return {
        onExecuteDone({ result, setResult }) {
          const { data, errors } = result as ExecutionResult
          if (data == null || errors !== undefined || answers.size >= maxAnswers) return
          const answer = {
            data: Object.fromEntries(
              Object.entries(data).map(([name, value]) => [name, new JsonText(JSON.stringify(value))]),
            ),
          }
          answers.set(key, answer)
          setResult(answer)
        },
      }
    },
  }
}

function isIntrospection(document: DocumentNode, operationName: string | null | undefined): boolean {
  const operation = findOperation(document, operationName ?? null)
  if (operation === null || (operation.directives?.length ?? 0) > 0) return false
  return operation.selectionSet.selections.every(
    (node) => node.kind === Kind.FIELD && (node.name.value === '__schema' || node.name.value === '__type'),
  )
}
