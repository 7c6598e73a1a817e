// GET /schema.graphql: the schema as it is now, for code generators.

import { z } from 'zod'
import type { SchemaText, SchemaTextRequest } from '../../schema/typed/schema-text.ts'
import { answer, failures } from './bodies.ts'
import type { RestServer } from './openapi.ts'

export function addSchemaFile(app: RestServer, print: (request: SchemaTextRequest) => Promise<SchemaText>) {
  app.get(
    '/schema.graphql',
    {
      config: { access: 'signed-in' },
      schema: {
        tags: ['query'],
        operationId: 'schema',
        summary: 'The GraphQL schema as it is now, with the types of the feature views',
        querystring: z.object({
          tag: z.string().optional().describe('Only the feature views and services that have this tag'),
          federation: z
            .enum(['true', 'false'])
            .default('false')
            .describe('The typed features alone, as a subgraph of a federated graph'),
        }),
        response: {
          200: answer('In GraphQL’s schema language', z.string(), 'text/plain'),
          304: z.null().describe('As If-None-Match has it'),
          ...failures,
        },
      },
    },
    async (request, reply) => {
      const { text, sha256 } = await print({
        tag: request.query.tag ?? null,
        federation: request.query.federation === 'true',
      })
      const etag = `"${sha256}"`
      reply.header('etag', etag).header('cache-control', 'no-cache')
      if (request.headers['if-none-match'] === etag) return reply.status(304).send(null)
      return reply.type('text/plain; charset=utf-8').send(text)
    },
  )
}
