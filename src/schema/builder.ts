// The Pothos builder: its plugins, how ids and connections look, and what one operation may cost.

import SchemaBuilder from '@pothos/core'
import ComplexityPlugin from '@pothos/plugin-complexity'
import PrismaPlugin from '@pothos/plugin-prisma'
import RelayPlugin from '@pothos/plugin-relay'
import ScopeAuthPlugin from '@pothos/plugin-scope-auth'
import ValidationPlugin from '@pothos/plugin-validation'
import { z } from 'zod'
import type { Identity } from '../access/identity.ts'
import { type IdPrefix, idPrefix } from '../catalog/ids.ts'
import { AppError } from '../errors.ts'
import type { Feature } from '../features/notes.ts'
import type { ServiceFeature } from '../features/services.ts'
import type { PublishProgress } from '../publish/service.ts'
import type { ParityReport, RealtimeResult } from '../realtime/service.ts'
import type { VectorPart } from '../realtime/vectors/parts.ts'
import type { FeatureVector } from '../realtime/vectors/vectors.ts'
import type { ColumnProfile } from '../training/profile.ts'
import type { Column } from '../values/columns.ts'
import type { WarehouseTable } from '../warehouse/port.ts'
import { type AuthScopes, authScopesOf, refuseField } from './authorization.ts'
import type { RemovalChange } from './changes.ts'
import type { Context } from './context.ts'
import type PrismaTypes from './generated/pothos.ts'
import { getDatamodel } from './generated/pothos.ts'
import type { JsonText } from './json-text.ts'
import { operationLimits, tooCostly } from './operation-cost.ts'
import type { Services } from './services.ts'
import type { SchemaProblem } from './typed/entries.ts'

/** What a connection gives when `first` is left out, and the most that it gives. */
export const pageSize = { usual: 20, largest: 500 }

const typeNames: Record<IdPrefix, string> = {
  qry: 'SavedQuery',
  etl: 'Etl',
  dst: 'Dataset',
  fv: 'FeatureView',
  svc: 'FeatureService',
  job: 'PublishJob',
  key: 'ApiKey',
}

interface SchemaTypes {
  PrismaTypes: PrismaTypes
  Context: Context
  AuthScopes: AuthScopes
  DefaultFieldNullability: false
  DefaultEdgesNullability: { list: false; items: false }
  DefaultNodeNullability: false
  Objects: {
    Column: Column
    RealtimeResult: RealtimeResult
    RealtimeFailure: Pick<AppError, 'code' | 'message'>
    ServiceFeature: ServiceFeature
    FeatureVector: FeatureVector
    VectorPart: VectorPart
    ParityReport: ParityReport
    Feature: Feature
    PublishProgress: PublishProgress
    WarehouseTable: WarehouseTable
    DatasetDownloads: { id: string }
    TrainingSetPayload: { datasetId: string; notPointInTime: readonly string[] }
    ColumnProfile: ColumnProfile
    QueryTrainPayload: { queryId: string | null; datasetId: string }
    ExtractTrainPayload: { etlId: string | null; datasetId: string }
    CreateApiKeyPayload: { keyId: string; token: string }
    Caller: Identity
    SchemaChange: RemovalChange
    SchemaProblem: SchemaProblem
  }
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Date; Output: Date }
    JSON: { Input: unknown; Output: JsonText }
    BigInt: { Input: bigint; Output: bigint }
  }
}

export type Builder = ReturnType<typeof createBuilder>

export function createBuilder(services: Services) {
  return new SchemaBuilder<SchemaTypes>({
    plugins: [ComplexityPlugin, ScopeAuthPlugin, RelayPlugin, PrismaPlugin, ValidationPlugin],
    defaultFieldNullability: false,
    scopeAuth: {
      authScopes: ({ identity }) => authScopesOf(identity),
      authorizeOnSubscribe: true,
      unauthorizedError: (_parent, { identity }, info, result) => refuseField(identity, info, result),
    },
    relay: {
      encodeGlobalID: (_typename, id) => String(id),
      decodeGlobalID,
      edgesFieldOptions: { nullable: { list: false, items: false } },
      nodeFieldOptions: { nullable: false },
      firstArgOptions: pageArgument('from the beginning'),
      lastArgOptions: pageArgument('from the end'),
      nodeQueryOptions: { description: 'Anything that has an id.', authScopes: { signedIn: true } },
      nodesQueryOptions: false,
      pageInfoTypeOptions: { authScopes: { signedIn: true } },
      defaultConnectionTypeOptions: { authScopes: { signedIn: true } },
      defaultEdgeTypeOptions: { authScopes: { signedIn: true } },
      nodeTypeOptions: { description: 'Anything that has an id.' },
    },
    prisma: {
      client: () => services.catalog.prisma,
      dmmf: getDatamodel(),
      defaultConnectionSize: pageSize.usual,
      maxConnectionSize: pageSize.largest,
    },
    complexity: {
      limit: operationLimits,
      complexityError: (kind, cost) => tooCostly(kind, cost),
    },
    validation: {
      validationError: (failure) =>
        new AppError('BAD_USER_INPUT', failure.issues.map(describeIssue).join('; ')),
    },
  })
}

/** Ids are the same on every path; their prefix says what they are of. */
function decodeGlobalID(id: string): { typename: string; id: string } {
  const prefix = idPrefix(id)
  if (prefix === null) {
    throw new AppError(
      'BAD_USER_INPUT',
      `${JSON.stringify(id)} is not an id of this gateway; ids begin with one of ${Object.keys(typeNames)
        .map((known) => `${known}_`)
        .join(', ')}`,
    )
  }
  return { typename: typeNames[prefix], id }
}

function pageArgument(from: string) {
  return {
    description: `How many ${from}: ${pageSize.usual} unless said, at most ${pageSize.largest}.`,
    validate: z.number().min(0).max(pageSize.largest).nullish(),
  }
}

interface Issue {
  message: string
  path?: readonly (PropertyKey | { key: PropertyKey })[] | undefined
}

function describeIssue(issue: Issue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
  return path === '' ? issue.message : `${path}: ${issue.message}`
}
