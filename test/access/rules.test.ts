// Every field and every route has a rule that says who may use it: none is found without, and each is as written here.

import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  getNamedType,
  graphql,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  type OperationTypeNode,
  parse,
  subscribe,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createIdentity, type Identity } from '../../src/access/identity.ts'
import { findAppError } from '../../src/http/rest/failures.ts'
import type { Context } from '../../src/schema/context.ts'
import { createSchema } from '../../src/schema/index.ts'
import type { Services } from '../../src/schema/services.ts'
import { type Gateway, openGateway } from '../http/gateway.ts'

const schema = createSchema({} as Services)
const roots = ['Query', 'Mutation', 'Subscription']

interface Ruled {
  extensions: { pothosOptions?: { authScopes?: unknown } }
}
const hasRule = ({ extensions }: Ruled) => extensions.pothosOptions?.authScopes !== undefined

describe('fields', () => {
  test('each has a rule of its own or of its type', () => {
    const unruled = Object.values(schema.getTypeMap())
      .filter(isObjectType)
      .filter(({ name }) => !name.startsWith('__'))
      .flatMap((type) =>
        Object.values(type.getFields())
          .filter(
            (field) => !hasRule(field as Ruled) && (roots.includes(type.name) || !hasRule(type as Ruled)),
          )
          .map((field) => `${type.name}.${field.name}`),
      )
    expect(unruled).toEqual([])
  })

  const views = ['catalog:read', 'catalog:write']
  const read = [...views, 'train']
  const write = ['catalog:write']
  const jobs = ['catalog:read', 'publish', 'erase']
  const known: Record<string, readonly string[]> = {
    'Query.apiKeys': ['admin'],
    'Query.dataset': ['catalog:read', 'train'],
    'Query.datasets': ['catalog:read', 'train'],
    'Query.etl': read,
    'Query.etls': read,
    'Query.extractRealtime': ['realtime'],
    'Query.extractRealtimeMany': ['realtime'],
    'Query.featureService': views,
    'Query.featureServices': views,
    'Query.featureView': views,
    'Query.featureViews': views,
    // Whoever is known; what the node is decides about its fields.
    'Query.me': [],
    'Query.node': [],
    'Query.onlineFeatures': ['realtime'],
    'Query.parity': ['train'],
    'Query.publishJob': jobs,
    'Query.publishJobs': jobs,
    'Query.queryRealtime': ['realtime'],
    'Query.queryRealtimeMany': ['realtime'],
    'Query.savedQueries': read,
    'Query.savedQuery': read,
    'Query.schemaChanges': views,
    'Query.schemaProblems': views,
    'Query.table': [...read, 'publish'],
    'Query.tables': [...read, 'publish'],
    'Mutation.cancelJob': ['publish'],
    'Mutation.createApiKey': ['admin'],
    'Mutation.createFeatureService': write,
    'Mutation.createFeatureView': write,
    'Mutation.createTable': ['publish'],
    'Mutation.createTrainingSet': ['train'],
    'Mutation.deleteDataset': ['train'],
    'Mutation.deleteEtl': write,
    'Mutation.deleteFeatureService': write,
    'Mutation.deleteFeatureView': write,
    'Mutation.deleteSavedQuery': write,
    'Mutation.eraseEntity': ['erase'],
    'Mutation.extractTrain': ['train'],
    'Mutation.ingest': ['publish'],
    'Mutation.publish': ['publish'],
    'Mutation.queryTrain': ['train'],
    'Mutation.refreshEtl': write,
    'Mutation.refreshFeatureView': write,
    'Mutation.revokeApiKey': ['admin'],
    'Mutation.remakeDataset': ['train'],
    'Mutation.tableChanged': ['publish'],
    'Mutation.updateFeatureView': write,
    'Mutation.updateSavedQuery': write,
    'Subscription.datasetProgress': ['catalog:read', 'train'],
    'Subscription.featureUpdates': ['realtime'],
    'Subscription.publishProgress': jobs,
  }
  const fields = roots.flatMap((root) => {
    const type = schema.getType(root)
    if (!isObjectType(type)) throw new Error(`${root} is an object type`)
    return Object.values(type.getFields()).map((field) => [`${root}.${field.name}`, field] as const)
  })

  test('those of the roots are the ones written here', () => {
    expect(fields.map(([name]) => name).sort()).toEqual(Object.keys(known).sort())
  })

  test('what one way gives, every way gives: a field that reads a type is for whom the type is for', () => {
    for (const [name, field] of fields) {
      const type = nodeOf(getNamedType(field.type))
      if (!name.startsWith('Query.') || !isObjectType(type) || known[name]?.length === 0) continue
      const { authScopes } = (type.extensions as unknown as Ruled['extensions']).pothosOptions ?? {}
      expect([name, Object.keys(authScopes ?? {})]).toEqual([name, known[name]])
    }
  })

  test.each(fields.filter(([name]) => known[name]?.length !== 0))(
    '%s is refused without its scope, and without anybody',
    async (name, field) => {
      const { identity } = createIdentity({
        caller: 'x',
        name: 'x',
        scopes: [],
        expiresAtMs: Date.now() + 60_000,
      })
      expect(await refusal(name, field, identity)).toMatchObject({
        code: 'FORBIDDEN',
        details: { needs: known[name] },
      })
      expect(await refusal(name, field, null)).toMatchObject({ code: 'UNAUTHENTICATED' })
    },
  )

  /** Of a connection what it connects. */
  function nodeOf(type: GraphQLNamedType): GraphQLNamedType {
    const edges = isObjectType(type) ? type.getFields().edges : undefined
    const edge = edges === undefined ? undefined : getNamedType(edges.type)
    const node = isObjectType(edge) ? edge.getFields().node : undefined
    return node === undefined ? type : getNamedType(node.type)
  }

  async function refusal(name: string, field: GraphQLField<unknown, unknown>, identity: Identity | null) {
    const operation = name.split('.')[0]?.toLowerCase() as OperationTypeNode
    const args = field.args
      .filter(({ type }) => isNonNullType(type))
      .map(({ name: arg, type }) => `${arg}: ${literal(type)}`)
    const called = `${field.name}${args.length === 0 ? '' : `(${args.join(', ')})`}`
    const source = `${operation} { ${called} ${/ID!?$/.test(String(field.type)) ? '' : '{ __typename }'} }`
    const contextValue = { identity } as Context
    const result =
      operation === 'subscription'
        ? await subscribe({ schema, document: parse(source), contextValue })
        : await graphql({ schema, source, contextValue })
    if (Symbol.asyncIterator in result) throw new Error(`${name} was let through`)
    return findAppError(result.errors?.[0])
  }

  function literal(type: GraphQLInputType): string {
    if (isNonNullType(type)) return literal(type.ofType)
    if (isListType(type)) return `[${literal(type.ofType)}]`
    if (isEnumType(type)) return type.getValues()[0]?.name ?? ''
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields())
      const required = type.isOneOf ? fields.slice(0, 1) : fields.filter(({ type: of }) => isNonNullType(of))
      return `{ ${required.map(({ name, type: of }) => `${name}: ${literal(of)}`).join(', ')} }`
    }
    return type.name === 'Int' ? '1' : '"x"'
  }
})

describe('routes', () => {
  let gateway: Gateway
  let server: Awaited<ReturnType<Gateway['serve']>>

  beforeAll(async () => {
    gateway = await openGateway({ AUTH: 'required' })
    server = await gateway.serve()
  })

  afterAll(async () => {
    await server.close()
    await gateway.close()
  })

  test('each is as written here, and those that are not open refuse whoever says nothing', async () => {
    const routes = server.routes.filter(({ method, url }) => method !== 'HEAD' && !url.startsWith('/docs'))
    const rules = Object.fromEntries(
      routes
        .filter(({ url }) => url !== '/graphql')
        .map(({ method, url, access }) => [`${method} ${url}`, access]),
    )
    expect(rules).toEqual({
      'DELETE /datasets/:id': 'train',
      'DELETE /etls/:id': 'catalog:write',
      'DELETE /feature-views/:id': 'catalog:write',
      'DELETE /queries/:id': 'catalog:write',
      'GET /datasets/:id.:format': 'judged',
      'GET /feature-views': ['catalog:read', 'catalog:write'],
      'GET /feature-views/:id': ['catalog:read', 'catalog:write'],
      'GET /healthz': 'open',
      'GET /jobs/:id': ['catalog:read', 'publish', 'erase'],
      'GET /metrics': 'admin',
      'GET /openapi.json': 'open',
      'GET /readyz': 'open',
      'GET /schema.graphql': 'signed-in',
      'GET /tables': 'catalog:read',
      'PATCH /feature-views/:id': 'catalog:write',
      'POST /feature-views': 'catalog:write',
      'POST /feature-views/:id/refresh': 'catalog:write',
      'POST /entities/erase': 'erase',
      'POST /extract/realtime': 'realtime',
      'POST /extract/realtime/many': 'realtime',
      'POST /extract/train': 'train',
      'POST /online-features': 'realtime',
      'POST /get-online-features': 'realtime',
      'POST /push': 'publish',
      'POST /query/realtime': 'realtime',
      'POST /query/realtime/many': 'realtime',
      'POST /query/train': 'train',
      'POST /tables/:name/changed': 'publish',
      'POST /tables/:name/rows': 'publish',
      'POST /training-sets': 'train',
      'PUT /publish': 'publish',
    })
    for (const { method, url, access } of routes) {
      if (method === 'TRACE') continue
      const response = await fetch(`${server.url}${url.replace(':id.:format', 'dst_1.csv')}`, { method })
      await response.arrayBuffer()
      expect([method, url, response.status]).toEqual([method, url, access === 'open' ? 200 : 401])
      if (access !== 'open') expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm=/)
    }
  })

  test('a route that does not say who may use it is not registered', async () => {
    const { default: Fastify } = await import('fastify')
    const { guardRoutes } = await import('../../src/http/guards/route-access.ts')
    const { createIdentities } = await import('../../src/http/guards/identities.ts')
    const app = Fastify()
    const { authentication } = gateway.services.access
    guardRoutes(app, { identities: createIdentities(authentication, true), openUnder: '/docs' })
    expect(() => app.get('/forgotten', () => 'secret')).toThrow(
      'The route GET /forgotten does not say who may use it: give its config an access',
    )
  })

  test('openapi.json names what each route needs', async () => {
    const { body } = await server.rest('GET', '/openapi.json')
    const { components, paths } = body as {
      components: { securitySchemes: Record<string, unknown> }
      paths: Record<string, Record<string, { security?: Record<string, string[]>[] }>>
    }
    expect(Object.keys(components.securitySchemes)).toEqual(['bearer', 'apiKey'])
    expect(paths['/publish']?.put?.security).toEqual([{ bearer: ['publish'] }, { apiKey: ['publish'] }])
    expect(paths['/healthz']?.get?.security).toBeUndefined()
  })
})
