// A schema as SDL, its types by name: what one schema shares with the one before it is printed once.

import { setImmediate } from 'node:timers/promises'
import {
  type GraphQLNamedType,
  type GraphQLSchema,
  isIntrospectionType,
  isSpecifiedDirective,
  isSpecifiedScalarType,
  printDirective,
  printType,
} from 'graphql'

/** Printing pauses after so long, and requests go on. */
const breathAfterMs = 8

export type PrintSchema = (schema: GraphQLSchema) => Promise<string>

export function createSchemaPrinter(): PrintSchema {
  const texts = new WeakMap<GraphQLNamedType, string>()

  function textOf(type: GraphQLNamedType): string {
    const text = texts.get(type) ?? printType(type)
    texts.set(type, text)
    return text
  }

  return async (schema) => {
    const directives = schema.getDirectives().filter((directive) => !isSpecifiedDirective(directive))
    const types = Object.values(schema.getTypeMap())
      .filter((type) => !isSpecifiedScalarType(type) && !isIntrospectionType(type))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    const printed = directives.map(printDirective)
    let since = performance.now()
    for (const type of types) {
      printed.push(textOf(type))
      if (performance.now() - since < breathAfterMs) continue
      await setImmediate()
      since = performance.now()
    }
    return `${printed.join('\n\n')}\n`
  }
}
