// How large a GraphQL document may be, judged as it is parsed: validation itself takes ever longer the more a document repeats itself.

import {
  type ArgumentNode,
  type DefinitionNode,
  type DirectiveNode,
  type DocumentNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  type TypeNode,
  type ValueNode,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { AppError } from '../../errors.ts'

/** Values go into variables, which the body's size alone limits. */
export const documentLimits = {
  characters: 1024 * 1024,
  /** A list of ten thousand index values passes. */
  tokens: 20_000,
  /** Of braces within braces, as they are written; how deep fragments lead is judged when the operation's cost is. */
  nesting: 32,
  aliases: 100,
  /** Fields that ask for what their selection has asked for already. */
  repetitions: 100,
  directives: 100,
  directivesOfOneNode: 4,
  /** Fragments that are spread, or written inline. */
  fragments: 200,
}

type Counted = 'aliases' | 'repetitions' | 'directives' | 'fragments'

/** Refuses what is too large with TOO_LARGE, before it is validated or kept. */
export function limitDocuments(): Plugin {
  return {
    onParse({ params: { source }, parseFn, setParseFn }) {
      const { length } = typeof source === 'string' ? source : source.body
      if (length > documentLimits.characters) {
        throw tooLarge(`is ${length} characters long`, documentLimits.characters)
      }
      setParseFn((text, options) => {
        const document = parseWithinLimits(() =>
          parseFn(text, { ...options, maxTokens: documentLimits.tokens }),
        )
        assertWithinLimits(document)
        return document
      })
    },
  }
}

function tooLarge(what: string, limit: number): GraphQLError {
  const message = `The document ${what}; the limit is ${limit}. Send values as variables, and ask in several operations`
  return new GraphQLError(message, { originalError: new AppError('TOO_LARGE', message) })
}

function parseWithinLimits(parse: () => DocumentNode): DocumentNode {
  try {
    return parse()
  } catch (error) {
    // The parser calls itself: the document is nested beyond its stack.
    if (error instanceof RangeError) throw tooLarge('is nested too deeply', documentLimits.nesting)
    if (error instanceof GraphQLError && error.message.includes('contains more than')) {
      throw tooLarge('has more tokens than it may have', documentLimits.tokens)
    }
    throw error
  }
}

/** Throws TOO_LARGE for the first limit that the document exceeds. */
function assertWithinLimits(document: DocumentNode): void {
  const counts: Record<Counted, number> = { aliases: 0, repetitions: 0, directives: 0, fragments: 0 }

  function count(what: Counted) {
    if (++counts[what] > documentLimits[what]) throw tooLarge(`has too many ${what}`, documentLimits[what])
  }

  function assertNesting(depth: number) {
    if (depth > documentLimits.nesting) throw tooLarge('is nested too deeply', documentLimits.nesting)
  }

  function visitDirectives(directives: readonly DirectiveNode[] = []) {
    if (directives.length > documentLimits.directivesOfOneNode) {
      throw tooLarge('has too many directives in one place', documentLimits.directivesOfOneNode)
    }
    for (const directive of directives) {
      count('directives')
      visitArguments(directive.arguments)
    }
  }

  function visitArguments(args: readonly ArgumentNode[] = []) {
    for (const { value } of args) visitValue(value, 1)
  }

  function visitValue(value: ValueNode, depth: number) {
    assertNesting(depth)
    if (value.kind === Kind.LIST) for (const item of value.values) visitValue(item, depth + 1)
    if (value.kind === Kind.OBJECT) for (const field of value.fields) visitValue(field.value, depth + 1)
  }

  /** Whoever reads a type calls itself for the one within. */
  function visitType(type: TypeNode) {
    let depth = 0
    for (let at = type; at.kind !== Kind.NAMED_TYPE; at = at.type) {
      if (at.kind === Kind.LIST_TYPE) assertNesting(++depth)
    }
  }

  function visitSelections({ selections }: SelectionSetNode, depth: number) {
    assertNesting(depth)
    const names = new Set<string>()
    for (const node of selections) {
      visitDirectives(node.directives)
      if (node.kind === Kind.FIELD) {
        if (node.alias) count('aliases')
        const name = (node.alias ?? node.name).value
        if (names.has(name)) count('repetitions')
        names.add(name)
        visitArguments(node.arguments)
      } else count('fragments')
      if ('selectionSet' in node && node.selectionSet) visitSelections(node.selectionSet, depth + 1)
    }
  }

  function visitDefinition(node: DefinitionNode) {
    if ('directives' in node) visitDirectives(node.directives)
    if (node.kind === Kind.OPERATION_DEFINITION) {
      for (const { type, directives, defaultValue } of node.variableDefinitions ?? []) {
        visitType(type)
        visitDirectives(directives)
        if (defaultValue) visitValue(defaultValue, 1)
      }
    }
    if ('selectionSet' in node) visitSelections(node.selectionSet, 1)
  }

  for (const node of document.definitions) visitDefinition(node)
}
