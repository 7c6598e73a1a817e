// A schema as SDL, its types by name: what one schema shares with the one before it is printed once.

import { hash } from 'node:crypto'
import {
  type GraphQLNamedType,
  type GraphQLSchema,
  isIntrospectionType,
  isSpecifiedDirective,
  isSpecifiedScalarType,
  printDirective,
  printType,
} from 'graphql'
import { createBreath } from '../../concurrency/breath.ts'
import type { SchemaHolder } from '../held.ts'

export interface SchemaText {
  text: string
  /** The same for the same text. */
  sha256: string
}

/** Tags whose texts are kept. */
const maxKept = 50

/** Of the schema in force, and of what of it has a tag; each is made when it is first asked for. */
export function createSchemaTexts(
  holder: Pick<SchemaHolder, 'current'>,
  partOf: (tag: string) => GraphQLSchema,
): { print(tag: string | null): Promise<SchemaText> } {
  const print = createSchemaPrinter()
  let version = holder.current.version
  let kept = new Map<string | null, Promise<SchemaText>>()

  async function make(tag: string | null): Promise<SchemaText> {
    const text = await print(tag === null ? holder.current.schema : partOf(tag))
    return { text, sha256: hash('sha256', text) }
  }

  return {
    print(tag) {
      if (version !== holder.current.version || kept.size > maxKept) kept = new Map()
      version = holder.current.version
      const known = kept.get(tag) ?? make(tag)
      kept.set(tag, known)
      return known
    },
  }
}

export function createSchemaPrinter(): (schema: GraphQLSchema) => Promise<string> {
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
    const breathe = createBreath()
    for (const type of types) {
      printed.push(textOf(type))
      await breathe()
    }
    return `${printed.join('\n\n')}\n`
  }
}
