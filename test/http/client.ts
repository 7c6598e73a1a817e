// An untyped client of a gateway, for GraphQL and for REST.

export interface Answer {
  data?: Record<string, unknown> | null
  errors?: {
    message: string
    path?: (string | number)[]
    extensions: { code: string; details?: Record<string, unknown> }
  }[]
}

/** `headers` go with every request. */
export function createClient(url: string, headers: Record<string, string> = {}) {
  async function graphql(query: string, variables?: Record<string, unknown>): Promise<Answer> {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    })
    return (await response.json()) as Answer
  }
  /** The data of an operation that must not fail. */
  async function data<Data>(query: string, variables?: Record<string, unknown>): Promise<Data> {
    const answer = await graphql(query, variables)
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors))
    return answer.data as Data
  }
  async function rest(method: string, path: string, body?: unknown) {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && {
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return { graphql, data, rest }
}
