// Keeps the schema to those who know it: no introspection, and no error that suggests a name.

import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  type ValidationContext,
  type ValidationRule,
  validate,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'

export function closeSchema(): Plugin {
  return {
    onValidate({ addValidationRule, setValidationFn }) {
      addValidationRule(NoSchemaIntrospectionCustomRule)
      addValidationRule(noSubgraphText)
      setValidationFn((schema: GraphQLSchema, document: DocumentNode, rules: readonly ValidationRule[]) =>
        validate(schema, document, rules, { hideSuggestions: true }),
      )
    },
    onExecute: ({ args }) => hideSuggestions(args),
    onSubscribe: ({ args }) => hideSuggestions(args),
  }
}

/** What a router composes is the schema too. */
function noSubgraphText(context: ValidationContext): ASTVisitor {
  return {
    Field(node) {
      if (node.name.value !== '_service' || context.getParentType() !== context.getSchema().getQueryType())
        return
      const message =
        'The schema is not told here (INTROSPECTION=false): compose from a copy of /schema.graphql?federation=true'
      context.reportError(new GraphQLError(message, { nodes: node }))
    },
  }
}

/** Executors suggest too, when a variable does not fit. */
function hideSuggestions(args: object): void {
  Object.assign(args, { hideSuggestions: true })
}
