// Which scopes let a caller see a field: the rules stand at the types and fields, here is how they are judged and refused.

import type { AuthFailure, ForbiddenResult } from '@pothos/plugin-scope-auth'
import type { GraphQLResolveInfo } from 'graphql'
import type { Identity } from '../access/identity.ts'
import { type Scope, scopes } from '../access/scopes.ts'
import { AppError } from '../errors.ts'
import type { Caller } from '../realtime/service.ts'

/** `signedIn` is for what any caller may see that is known at all. */
export type AuthScopes = Record<Scope | 'signedIn', boolean>

/** Who may read saved queries and ETLs, on whichever way: who runs or changes them reads them too. */
export const catalogReaders = { 'catalog:read': true, 'catalog:write': true, train: true } as const
/** Who may read the warehouse's tables: who writes to them too. */
export const tableReaders = { ...catalogReaders, publish: true } as const
/** Who may read publish jobs, on whichever way: who begins them too. */
export const jobReaders = { 'catalog:read': true, publish: true, erase: true } as const
/** Who may read feature views, on whichever way. */
export const viewReaders = { 'catalog:read': true, 'catalog:write': true } as const

const nobody: AuthScopes = scopesOf(() => false, false)

/** What an identity may see. Asked once for each operation. */
export function authScopesOf(identity: Identity | null): AuthScopes {
  return identity === null ? nobody : scopesOf(identity.grants, true)
}

function scopesOf(grants: (scope: Scope) => boolean, signedIn: boolean): AuthScopes {
  const granted = Object.fromEntries(scopes.map((scope) => [scope, grants(scope)])) as Record<Scope, boolean>
  return { ...granted, signedIn }
}

/** What realtime has to know of whoever asks. */
export function callerOf(identity: Identity | null): Caller {
  return { writesCatalog: identity?.grants('catalog:write') ?? false }
}

type Field = Pick<GraphQLResolveInfo, 'parentType' | 'fieldName'>

/** What a caller is told that may not see a field. */
export function refuseField(identity: Identity | null, field: Field, { failure }: ForbiddenResult): AppError {
  return refusalOf(identity, field, [...new Set(missingScopes(failure))])
}

/** For fields that Pothos does not know. Throws what refuseField gives. */
export function assertScope(identity: Identity | null, field: Field, scope: Scope): void {
  if (!identity?.grants(scope)) throw refusalOf(identity, field, [scope])
}

function refusalOf(
  identity: Identity | null,
  { parentType, fieldName }: Field,
  needs: readonly string[],
): AppError {
  const field = `${parentType.name}.${fieldName}`
  if (identity === null) return new AppError('UNAUTHENTICATED', `${field} is for callers that sign in`)
  return new AppError('FORBIDDEN', `${field} needs ${describeScopes(needs)}; ${describeOwn(identity)}`, {
    details: { needs },
  })
}

function missingScopes(failure: AuthFailure): string[] {
  if ('failures' in failure) return failure.failures.flatMap(missingScopes)
  return 'scope' in failure ? [failure.scope] : []
}

/** `the scope train, or realtime`: any of them will do. */
export function describeScopes(needs: readonly string[]): string {
  return `the scope ${needs.join(' or ')}`
}

export function describeOwn({ scopes: own }: Identity): string {
  return own.length === 0 ? 'this caller has none' : `this caller has ${own.join(', ')}`
}
