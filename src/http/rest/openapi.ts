// What the REST routes stand on: requests checked by zod, OpenAPI made from the same schemas, and its page; all of it offline.

import type { IncomingMessage, ServerResponse } from 'node:http'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod'

export const docsPath = '/docs'

export type RestServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** Registers what must be there before the first route. */
export async function addOpenApi(
  app: FastifyInstance,
  { version, asksWho }: { version: string; asksWho: boolean },
): Promise<RestServer> {
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Feature gateway',
        version,
        description:
          'Training data and realtime features from the same saved query and the same ETL. The whole of it is at /graphql.',
      },
      servers: [{ url: '/', description: 'The gateway that gives this document' }],
      tags: [
        { name: 'query', description: 'A saved query: for training, and in real time' },
        { name: 'extract', description: "A saved query's rows through an ETL" },
        { name: 'feast', description: 'What Feast’s clients ask of a feature server' },
        { name: 'feature views', description: 'What is served online: saved queries by their index keys' },
        { name: 'tables', description: 'What statements may read' },
        { name: 'publish', description: 'Flows for the warehouse' },
        { name: 'datasets', description: "Datasets' files" },
        { name: 'health', description: 'Whether the gateway and what it stands on answer' },
      ],
      ...(asksWho && {
        components: {
          securitySchemes: {
            bearer: { type: 'http', scheme: 'bearer', description: 'An API key (fgw_…) or a JSON Web Token' },
            apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'An API key (fgw_…)' },
          },
        },
      }),
    },
    transform: describeRoute(asksWho),
    transformObject: (document) => withOwnNames(jsonSchemaTransformObject(document)),
  })
  await app.register(swaggerUi, {
    routePrefix: docsPath,
    uiConfig: { docExpansion: 'list', validatorUrl: null },
    theme: {
      title: 'Feature gateway',
      css: [{ filename: 'gateway.css', content: '.swagger-ui .topbar { display: none }' }],
    },
  })
  app.get('/openapi.json', { schema: { hide: true }, config: { access: 'open' } }, () => app.swagger())
  return app.withTypeProvider<ZodTypeProvider>()
}

/** Where callers are asked who they are, each route names the scope that it needs, or those of which one will do. */
function describeRoute(asksWho: boolean): typeof jsonSchemaTransform {
  return (route) => {
    const described = jsonSchemaTransform(route)
    const access = route.route.config?.access
    if (!asksWho || access === 'open') return described
    const scopes = access === undefined || typeof access === 'function' ? ['train'] : [access].flat()
    const security = scopes.flatMap((scope) => [{ bearer: [scope] }, { apiKey: [scope] }])
    return { ...described, schema: { ...described.schema, security } }
  }
}

type OpenApiDocument = ReturnType<typeof jsonSchemaTransformObject>

const referencePrefix = '#/components/schemas/'

/** Every schema is there twice, as it comes in and as it goes out: those that nothing refers to go, and `Input` with them. */
function withOwnNames(document: OpenApiDocument): OpenApiDocument {
  if (!('components' in document)) return document
  const schemas: Record<string, unknown> = { ...document.components?.schemas }
  const referred = new Set<string>()
  const note = (part: unknown) => {
    for (const [, name = ''] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (referred.has(name)) continue
      referred.add(name)
      note(schemas[name])
    }
  }
  note({ ...document, components: undefined })
  const ownName = (name: string) => {
    const plain = name.replace(/Input$/, '')
    return referred.has(plain) ? name : plain
  }
  const kept = Object.fromEntries([...referred].map((name) => [ownName(name), schemas[name]]))
  const whole = { ...document, components: { ...document.components, schemas: kept } }
  return JSON.parse(JSON.stringify(whole), (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' && value.startsWith(referencePrefix)
      ? referencePrefix + ownName(value.slice(referencePrefix.length))
      : value,
  ) as OpenApiDocument
}
