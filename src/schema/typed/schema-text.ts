// A schema as SDL, its types by name: what one schema shares with the one before it is printed once.

import { hash } from 'node:crypto'
import {
  type GraphQLNamedType,
  GraphQLObjectType,
  type GraphQLSchema,
  isIntrospectionType,
  isSpecifiedDirective,
  isSpecifiedScalarType,
  printDirective,
  printType,
} from 'graphql'
import { createBreath } from '../../concurrency/breath.ts'
import type { SchemaHolder } from '../held.ts'
import { federationFieldNames, federationTypeNames } from './federation.ts'
import type { Subgraph } from './live-schema.ts'

export interface SchemaText {
  text: string
  /** The same for the same text. */
  sha256: string
}

export interface SchemaTextRequest {
  /** Of what has a tag alone; null for all. */
  tag: string | null
  /** As other schemas of a federated graph are composed with it: the typed features alone, with their keys. */
  federation: boolean
}

export interface SchemaParts {
  part(tag: string): GraphQLSchema
  /** Null where nothing has the tag. */
  subgraph(tag: string | null): Subgraph | null
}

/** Requests whose texts are kept. */
const maxKept = 50

/** Of the schema in force, and of parts of it; each is made when it is first asked for. */
export function createSchemaTexts(
  holder: Pick<SchemaHolder, 'current'>,
  parts: SchemaParts,
): { print(request: SchemaTextRequest): Promise<SchemaText> } {
  const printer = createSchemaPrinter()
  let version = holder.current.version
  let kept = new Map<string, Promise<SchemaText>>()

  function printAny({ tag, federation }: SchemaTextRequest): Promise<string> {
    if (federation) return printer.printSubgraph(parts.subgraph(tag))
    return printer.print(tag === null ? holder.current.schema : parts.part(tag))
  }

  async function make(request: SchemaTextRequest): Promise<SchemaText> {
    const text = await printAny(request)
    return { text, sha256: hash('sha256', text) }
  }

  return {
    print({ tag, federation }) {
      if (version !== holder.current.version || kept.size > maxKept) kept = new Map()
      version = holder.current.version
      const key = JSON.stringify([tag, federation])
      const known = kept.get(key) ?? make({ tag, federation })
      kept.set(key, known)
      return known
    },
  }
}

const link =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])'
/** Those that another gateway's schema in the same graph has too. */
const shareable = new Set(['RealtimeFailure', 'VectorPart'])

export function createSchemaPrinter() {
  const texts = new WeakMap<GraphQLNamedType, string>()

  function textOf(type: GraphQLNamedType): string {
    const text = texts.get(type) ?? printType(type)
    texts.set(type, text)
    return text
  }

  async function printTypes(schema: GraphQLSchema, head: readonly string[], marks: Marks): Promise<string> {
    const types = Object.values(schema.getTypeMap())
      .filter((type) => !isSpecifiedScalarType(type) && !isIntrospectionType(type))
      .filter(({ name }) => !federationTypeNames.includes(name))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    const printed = [...head]
    const breathe = createBreath()
    for (const type of types) {
      printed.push(marked(textOf(asClientsHaveIt(type, schema)), type.name, marks.get(type.name)))
      await breathe()
    }
    return `${printed.join('\n\n')}\n`
  }

  return {
    /** Without the fields that only routers of a federated graph ask for. */
    print: (schema: GraphQLSchema): Promise<string> =>
      printTypes(
        schema,
        schema
          .getDirectives()
          .filter((directive) => !isSpecifiedDirective(directive))
          .map(printDirective),
        new Map(),
      ),
    printSubgraph: async (subgraph: Subgraph | null): Promise<string> =>
      subgraph === null ? `${link}\n` : printTypes(subgraph.schema, [link], marksOf(subgraph)),
  }
}

/** Directives by the names of their types. */
type Marks = ReadonlyMap<string, string>

function marksOf({ entities }: Subgraph): Marks {
  return new Map([
    ...[...shareable].map((name) => [name, '@shareable'] as const),
    ...entities.map(
      ({ type, keys }) =>
        [type.name, `@key(fields: ${JSON.stringify(keys.map(({ name }) => name).join(' '))})`] as const,
    ),
  ])
}

/** Behind the type's name. That line stands last where its description has one like it: those of its fields are indented. */
function marked(text: string, name: string, mark: string | undefined): string {
  if (mark === undefined) return text
  const head = `type ${name} {\n`
  const at = text.lastIndexOf(`\n${head}`) + 1
  return `${text.slice(0, at)}type ${name} ${mark} {\n${text.slice(at + head.length)}`
}

function asClientsHaveIt(type: GraphQLNamedType, schema: GraphQLSchema): GraphQLNamedType {
  if (type !== schema.getQueryType() || !(type instanceof GraphQLObjectType)) return type
  const config = type.toConfig()
  const fields = Object.entries(config.fields).filter(([name]) => !federationFieldNames.includes(name))
  return new GraphQLObjectType({ ...config, fields: Object.fromEntries(fields) })
}
