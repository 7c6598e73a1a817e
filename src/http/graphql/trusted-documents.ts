// Documents that the clients' builds have written into a manifest: named by an id, and where wished for the only ones answered.

import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  type FieldNode,
  type GraphQLSchema,
  Kind,
  type NamedTypeNode,
  parse,
  TypeInfo,
  validate,
  visit,
  visitWithTypeInfo,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { Logger } from 'pino'
import { z } from 'zod'
import { createBreath } from '../../concurrency/breath.ts'
import type { Config } from '../../config/config.ts'
import { ConfigError } from '../../config/config-error.ts'
import { AppError, messageOf } from '../../errors.ts'
import type { HeldSchema, SchemaHolder } from '../../schema/held.ts'
import type { TypedEntry } from '../../schema/typed/entries.ts'

export interface TrustedDocuments {
  /** The text of a document by its id; null when there is none. */
  find(documentId: string): string | null
  /**
   * The text that a request asks for, by id or as it is; undefined for a request without either.
   * Throws NOT_FOUND for an unknown id, FORBIDDEN for a text that is not trusted where it has to be.
   */
  resolve(request: DocumentRequest): unknown
  /** The ids of documents that ask for this entry of the typed schema, or name a type of it. */
  askingFor(entry: Pick<TypedEntry, 'name' | 'typeName'>): string[]
  /** The ids of documents, by the manifest, that hold one of these texts as this argument. */
  holding(argument: string, texts: readonly string[]): string[]
}

/** By id, as `documentId` or as the clients of Apollo and urql send it, or by its text. */
interface DocumentRequest {
  documentId?: unknown
  query?: unknown
  extensions?: unknown
}

/** As GraphQL Code Generator's `persistedDocuments` writes it, and Relay's compiler: an id to each document's text. */
const textsById = z.record(z.string(), z.string())
/** As Apollo's generate-persisted-query-manifest writes it. */
const apolloManifest = z
  .object({
    format: z.literal('apollo-persisted-query-manifest'),
    operations: z.array(z.object({ id: z.string(), body: z.string() })),
  })
  .transform(({ operations }) => Object.fromEntries(operations.map(({ id, body }) => [id, body])))
const manifest = z.union([apolloManifest, textsById])

/** Untrusted documents that were told of. */
const maxTold = 1_000

/** Reads every manifest. Rejects with a ConfigError for one that cannot be read. */
export async function openTrustedDocuments(
  { mode, files }: Config['graphql']['trustedDocuments'],
  { holder, log }: { holder: SchemaHolder; log: Logger },
): Promise<TrustedDocuments> {
  const byId = new Map<string, string>()
  const texts = new Set<string>()
  const named: NamedDocument[] = []
  for (const file of files) {
    for (const [id, text] of Object.entries(await readManifest(file))) {
      const sha256 = hash('sha256', text)
      byId.set(id, text).set(sha256, text).set(`sha256:${sha256}`, text)
      texts.add(text)
      named.push({ id, text, file })
    }
  }
  const judge = createJudge(named, { holder, log })
  await judge(holder.current)
  holder.onSwap((held) => void judge(held))
  const tell = createTeller(log)

  return {
    askingFor: (entry) =>
      named.filter(({ text }) => asksFor(text, entry, holder.current.schema)).map(({ id }) => id),
    holding: (argument, texts) =>
      named.filter(({ text }) => holdsArgument(text, argument, texts)).map(({ id }) => id),
    find: (documentId) => byId.get(documentId) ?? null,
    resolve({ documentId, query, extensions }) {
      if (documentId !== undefined && documentId !== null) return byDocumentId(documentId, query)
      const persisted = isAbsent(query) ? persistedIdOf(extensions) : null
      if (persisted !== null) return byPersistedId(persisted)
      if (typeof query !== 'string' || mode === 'off' || texts.has(query)) return query
      if (mode === 'prefer') {
        tell(query)
        return query
      }
      throw new AppError(
        'FORBIDDEN',
        'Only trusted documents are answered here (TRUSTED_DOCUMENTS=only): send the "documentId" of one from the manifest instead of a "query"',
      )
    },
  }

  function byDocumentId(documentId: unknown, query: unknown): string {
    if (typeof documentId !== 'string') throw new AppError('BAD_USER_INPUT', '"documentId" must be a string')
    if (!isAbsent(query)) {
      throw new AppError('BAD_USER_INPUT', 'Send a "documentId" or a "query", not both')
    }
    return byId.get(documentId) ?? refuseUnknown(documentId)
  }

  /** Their clients send the text after these words, or texts alone from then on. */
  function byPersistedId(id: string): string {
    const text = byId.get(id)
    if (text !== undefined) return text
    if (mode === 'only') return refuseUnknown(id)
    throw new AppError('NOT_FOUND', mode === 'off' ? 'PersistedQueryNotSupported' : 'PersistedQueryNotFound')
  }

  function refuseUnknown(documentId: string): never {
    const named = JSON.stringify(documentId.length > 100 ? `${documentId.slice(0, 100)}…` : documentId)
    throw new AppError(
      'NOT_FOUND',
      mode === 'off'
        ? 'This gateway knows no document by its id (TRUSTED_DOCUMENTS=off): send its text as "query"'
        : `There is no trusted document ${named}: its client's manifest is missing or older (TRUSTED_DOCUMENTS_FILE)`,
    )
  }
}

async function readManifest(file: string): Promise<Record<string, string>> {
  try {
    return manifest.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    const reason =
      error instanceof z.ZodError
        ? "it must be a JSON object of ids to texts, or Apollo's persisted query manifest"
        : messageOf(error)
    throw new ConfigError(`TRUSTED_DOCUMENTS_FILE: the manifest ${file} cannot be used: ${reason}`)
  }
}

interface NamedDocument {
  id: string
  text: string
  file: string
}

/** Tells what is not valid in a schema, once: a client of another schema is no reason not to serve the others. */
function createJudge(
  documents: readonly NamedDocument[],
  { holder, log }: { holder: Pick<SchemaHolder, 'current'>; log: Logger },
): (held: HeldSchema) => Promise<void> {
  const told = new Map<NamedDocument, string | undefined>()
  return async ({ schema, version }) => {
    const breathe = createBreath()
    for (const document of documents) {
      const { id, file, text } = document
      const [fault] = faultsOf(schema, text)
      if (fault !== undefined && fault !== told.get(document))
        log.warn({ id, file, reason: fault }, 'A trusted document is not valid here')
      told.set(document, fault)
      await breathe()
      // The next schema is judged already.
      if (version !== holder.current.version) return
    }
  }
}

function faultsOf(schema: GraphQLSchema, text: string): string[] {
  try {
    return validate(schema, parse(text)).map(({ message }) => message)
  } catch (error) {
    return [messageOf(error)]
  }
}

function asksFor(
  text: string,
  { name, typeName }: Pick<TypedEntry, 'name' | 'typeName'>,
  schema: GraphQLSchema,
): boolean {
  if (!text.includes(name) && !text.includes(typeName)) return false
  const fields = [`Features.${name}`, `Features.${name}Many`, `Subscription.${name}`]
  const types = [typeName, `${typeName}Key`, `${typeName}Answer`]
  const info = new TypeInfo(schema)
  let asks = false
  try {
    const visitor = {
      Field: (node: FieldNode) => {
        asks ||= fields.includes(`${info.getParentType()?.name}.${node.name.value}`)
      },
      NamedType: (node: NamedTypeNode) => {
        asks ||= types.includes(node.name.value)
      },
    }
    visit(parse(text), visitWithTypeInfo(info, visitor))
  } catch {
    // What is no document asks for nothing.
  }
  return asks
}

function holdsArgument(text: string, argument: string, values: readonly string[]): boolean {
  let isHeld = false
  try {
    visit(parse(text), {
      Argument({ name, value }) {
        if (name.value === argument && value.kind === Kind.STRING) isHeld ||= values.includes(value.value)
      },
    })
  } catch {
    // What is no document asks for nothing.
  }
  return isHeld
}

function isAbsent(query: unknown): boolean {
  return query === undefined || query === null || query === ''
}

/** What the persisted-query links of Apollo and urql send: an id of the manifest, or the text's SHA-256. */
export function persistedIdOf(extensions: unknown): string | null {
  const { persistedQuery } = (extensions ?? {}) as { persistedQuery?: { sha256Hash?: unknown } | null }
  const id = persistedQuery?.sha256Hash
  return typeof id === 'string' ? id : null
}

/** Names each untrusted document once, for who wants to turn to `only`. */
function createTeller(log: Logger) {
  const told = new Set<string>()
  return (text: string) => {
    if (told.size >= maxTold) return
    const sha256 = hash('sha256', text)
    if (told.has(sha256)) return
    told.add(sha256)
    log.info({ sha256, document: text.slice(0, 200) }, 'Answered a document that is not trusted')
  }
}

/** For HTTP, server-sent events included. */
export function takeTrustedDocuments(trusted: TrustedDocuments): Plugin {
  return {
    onParams({ params, request, setParams }) {
      const { documentId: posted, ...others } = params as typeof params & { documentId?: unknown }
      const documentId = request.method === 'GET' ? documentIdOf(request.url) : posted
      const { query: sent, extensions } = params
      const query = trusted.resolve({ documentId, query: sent, extensions })
      if (query !== sent) setParams({ ...others, query: query as string })
    },
  }
}

/** Yoga reads the parameters that it knows. */
function documentIdOf(url: string): string | undefined {
  return new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('documentId') ?? undefined
}
