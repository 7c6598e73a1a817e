// A small GraphQL client: fetch for queries and mutations, graphql-ws for subscriptions.

import { createClient } from 'graphql-ws'

export type DemoClient = ReturnType<typeof createDemoClient>

export function createDemoClient(url: string) {
  async function request<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json',
      },
      body: JSON.stringify({ query, variables }),
    })
    const answer = (await response.json()) as { data?: T; errors?: { message: string }[] }
    if (answer.errors || !answer.data) {
      throw new Error(`The gateway answered: ${answer.errors?.map((error) => error.message).join('; ')}`)
    }
    return answer.data
  }

  /** Calls `onEvent` for each event and resolves when the subscription completes. */
  async function follow<T>(
    query: string,
    variables: Record<string, unknown>,
    onEvent: (data: T) => void,
  ): Promise<void> {
    const socket = createClient({ url: `${url.replace(/^http/, 'ws')}/graphql` })
    try {
      for await (const event of socket.iterate<T>({ query, variables })) {
        if (event.errors) throw new Error(event.errors.map((error) => error.message).join('; '))
        if (event.data) onEvent(event.data)
      }
    } finally {
      await socket.dispose()
    }
  }

  return { request, follow }
}
