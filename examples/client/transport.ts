// Sends typed documents to the gateway: fetch for queries and mutations, graphql-ws for subscriptions.

import { createClient } from 'graphql-ws'

/** What the gateway answered instead of data; `code` is one of the codes that its README lists. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

interface Answer<TData> {
  data?: TData | null
  errors?: readonly { message: string; extensions?: { code?: unknown } | undefined }[]
}

function dataOf<TData>(answer: Answer<TData>): TData {
  const error = answer.errors?.[0]
  if (error) throw new GatewayError(String(error.extensions?.code ?? 'INTERNAL'), error.message)
  if (!answer.data) throw new GatewayError('INTERNAL', 'The gateway answered without data')
  return answer.data
}

/** A document's text, and the types of its data and variables, as GraphQL Code Generator makes it. */
export interface TypedDocument<TData, TVariables> {
  toString(): string
  __apiType?: ((variables: TVariables) => TData) | undefined
  __meta__?: Readonly<Record<string, unknown>> | undefined
}

export type Transport = ReturnType<typeof createTransport>

export interface TransportOptions {
  /** Sends each document's id instead of its text, for a gateway that trusts this client's manifest (TRUSTED_DOCUMENTS). */
  byDocumentId?: boolean
  /** An API key or a JSON Web Token, for a gateway that asks who is calling (AUTH=required). */
  token?: string | undefined
}

/** `url` is the gateway's address, for example `http://127.0.0.1:4000`. */
export function createTransport(url: string, { byDocumentId = false, token }: TransportOptions = {}) {
  const credentials: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}

  function named<TData, TVariables>(document: TypedDocument<TData, TVariables>) {
    const documentId: unknown = document.__meta__?.hash
    if (!byDocumentId || typeof documentId !== 'string') return { query: document.toString() }
    return { documentId }
  }

  async function request<TData, TVariables>(
    document: TypedDocument<TData, TVariables>,
    variables: TVariables,
  ): Promise<TData> {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json',
        ...credentials,
      },
      body: JSON.stringify({ ...named(document), variables }),
    })
    return dataOf((await response.json()) as Answer<TData>)
  }

  async function* subscribe<TData, TVariables extends Record<string, unknown>>(
    document: TypedDocument<TData, TVariables>,
    variables: TVariables,
  ): AsyncGenerator<TData> {
    const socket = createClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      connectionParams: credentials,
    })
    try {
      // The protocol asks for a query, be it empty.
      for await (const event of socket.iterate<TData>({ query: '', ...named(document), variables })) {
        yield dataOf(event as Answer<TData>)
      }
    } finally {
      await socket.dispose()
    }
  }

  return { request, subscribe }
}
