// Who may use each HTTP route: every route says so, and is not registered without.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Identity } from '../../access/identity.ts'
import type { Scope } from '../../access/scopes.ts'
import { AppError } from '../../errors.ts'
import { describeOwn, describeScopes } from '../../schema/authorization.ts'
import { sendUnknownRoute } from '../rest/rest-failures.ts'
import type { Identities } from './identities.ts'

/** `open`: everyone. `signed-in`: whoever is known, for a route that looks at scopes itself. Else who has the scope, or one of them. */
export type RouteAccess = 'open' | 'signed-in' | Scope | readonly Scope[]

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A function judges each request; it may throw. */
    access?: RouteAccess | ((request: FastifyRequest) => RouteAccess)
  }
  interface FastifyRequest {
    /** Null on open routes, where nobody was asked. */
    identity: Identity | null
  }
}

export interface GuardedRoute {
  method: string
  url: string
  /** `judged`: each request by itself. */
  access: RouteAccess | 'judged'
}

/** For every route that is registered from then on; answers with their list, which grows as they are. */
export function guardRoutes(
  app: FastifyInstance,
  { identities, openUnder }: { identities: Identities; openUnder: string },
): readonly GuardedRoute[] {
  const routes: GuardedRoute[] = []
  app.decorateRequest('identity', null)
  app.addHook('onRoute', (route) => {
    if (route.url === openUnder || route.url.startsWith(`${openUnder}/`)) {
      route.config = { ...route.config, access: 'open' }
    }
    if (route.config?.access === undefined) {
      throw new Error(
        `The route ${route.method} ${route.url} does not say who may use it: give its config an access`,
      )
    }
  })
  const allowed = createAllowedMethods()
  app.addHook('onRoute', ({ method, url, config }) => {
    const access = typeof config?.access === 'function' ? 'judged' : (config?.access ?? 'judged')
    for (const each of [method].flat()) routes.push({ method: each, url, access })
    allowed.add(url, [method].flat())
  })
  app.addHook('onRequest', async (request, reply) => {
    const { access } = request.routeOptions.config
    // Before its body is read, which nobody asked for.
    if (request.is404) return sendUnknownRoute(request, reply, allowed.of(request.url.split('?', 1)[0] ?? ''))
    if (access === undefined) return
    const needed = typeof access === 'function' ? access(request) : access
    if (needed === 'open') return
    request.identity = await admit(request, reply, { needed, identities })
  })
  return routes
}

async function admit(
  request: FastifyRequest,
  reply: FastifyReply,
  { needed, identities }: { needed: Exclude<RouteAccess, 'open'>; identities: Identities },
): Promise<Identity> {
  const identity = await identities.identify(request.raw).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'UNAUTHENTICATED')
      challenge(reply, 'error="invalid_token"')
    throw error
  })
  if (identity === null) {
    challenge(reply)
    throw new AppError(
      'UNAUTHENTICATED',
      'Say who you are: send an API key or a token as "Authorization: Bearer …"',
    )
  }
  const scopes = needed === 'signed-in' ? [] : [needed].flat()
  if (scopes.length > 0 && !scopes.some(identity.grants)) {
    challenge(reply, `error="insufficient_scope", scope="${scopes.join(' ')}"`)
    throw new AppError('FORBIDDEN', `This needs ${describeScopes(scopes)}; ${describeOwn(identity)}`)
  }
  return identity
}

/** By what other methods a path may be asked. */
function createAllowedMethods() {
  const byRoute = new Map<string, { path: RegExp; methods: Set<string> }>()
  return {
    add(url: string, methods: readonly string[]) {
      const text = url
        .replaceAll(/[.+()]/g, '\\$&')
        .replaceAll(/:\w+/g, '[^/]+')
        .replaceAll('*', '.*')
      const route = byRoute.get(url) ?? { path: new RegExp(`^${text}$`), methods: new Set() }
      byRoute.set(url, route)
      for (const method of methods) route.methods.add(method)
    },
    of: (path: string): string[] =>
      [...byRoute.values()].flatMap((route) => (route.path.test(path) ? [...route.methods] : [])),
  }
}

/** RFC 6750 */
function challenge(reply: FastifyReply, why?: string) {
  reply.header('www-authenticate', `Bearer realm="feature-gateway"${why === undefined ? '' : `, ${why}`}`)
}
